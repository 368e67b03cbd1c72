module github.com/cardea-mesh/cardea/services/policy

go 1.26.0

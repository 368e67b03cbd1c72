module github.com/cardea-mesh/cardea/services/identity

go 1.26.0

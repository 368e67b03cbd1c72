module github.com/cardea-mesh/cardea/services/audit

go 1.26.0

module github.com/cardea-mesh/cardea/services/permissions

go 1.26.0

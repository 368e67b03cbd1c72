module github.com/cardea-mesh/cardea/services/e2e

go 1.26.0

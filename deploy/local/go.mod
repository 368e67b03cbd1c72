module github.com/cardea-mesh/cardea/deploy/local

go 1.26.0

module github.com/cardea-mesh/cardea/services/device-gateway

go 1.26.0

module github.com/cardea-mesh/cardea/services/device-gateway

go 1.26.0

require (
	github.com/cardea-mesh/cardea/proto v0.0.0
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require golang.org/x/sync v0.24.0 // indirect

replace (
	github.com/cardea-mesh/cardea/proto => ../../proto
	github.com/cardea-mesh/cardea/services/platform => ../platform
	github.com/cardea-mesh/cardea/services/policy => ../policy
)

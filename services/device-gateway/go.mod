module github.com/cardea-mesh/cardea/services/device-gateway

go 1.26.0

require (
	github.com/cardea-mesh/cardea/proto v0.0.0
	github.com/cardea-mesh/cardea/services/platform v0.0.0
	github.com/cardea-mesh/cardea/services/policy v0.0.0
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-logr/logr v1.4.4 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/otel v1.47.0 // indirect
	go.opentelemetry.io/otel/log v1.47.0 // indirect
	go.opentelemetry.io/otel/metric v1.47.0 // indirect
	go.opentelemetry.io/otel/trace v1.47.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace (
	github.com/cardea-mesh/cardea/proto => ../../proto
	github.com/cardea-mesh/cardea/services/platform => ../platform
	github.com/cardea-mesh/cardea/services/policy => ../policy
)

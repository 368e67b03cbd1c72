module github.com/cardea-mesh/cardea/deploy/local

go 1.26.0

require (
	connectrpc.com/connect v1.21.1
	github.com/cardea-mesh/cardea/proto v0.0.0
	github.com/cardea-mesh/cardea/services/device-gateway v0.0.0
	github.com/cardea-mesh/cardea/services/platform v0.0.0
	go.opentelemetry.io/otel/trace v1.47.0
	golang.org/x/sync v0.24.0
	google.golang.org/protobuf v1.36.12
	gopkg.in/yaml.v3 v3.0.1
)

require (
	buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go v1.36.11-20260209202127-80ab13bee0bf.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	go.opentelemetry.io/otel v1.47.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace (
	github.com/cardea-mesh/cardea/proto => ../../proto
	github.com/cardea-mesh/cardea/services/device-gateway => ../../services/device-gateway
	github.com/cardea-mesh/cardea/services/platform => ../../services/platform
	github.com/cardea-mesh/cardea/services/policy => ../../services/policy
)

// Module proto has the contracts, and nothing else, between services.
module github.com/cardea-mesh/cardea/proto

go 1.26.0

require (
	buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go v1.36.11-20260209202127-80ab13bee0bf.1
	connectrpc.com/connect v1.21.1
	google.golang.org/protobuf v1.36.12
)

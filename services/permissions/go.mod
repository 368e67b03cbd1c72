module github.com/cardea-mesh/cardea/services/permissions

go 1.26.0

require (
	connectrpc.com/connect v1.21.1
	github.com/cardea-mesh/cardea/proto v0.0.0
	github.com/cardea-mesh/cardea/services/platform v0.0.0
	github.com/cardea-mesh/cardea/services/policy v0.0.0
	github.com/jackc/pgx/v5 v5.12.0
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

replace (
	github.com/cardea-mesh/cardea/proto => ../../proto
	github.com/cardea-mesh/cardea/services/platform => ../platform
	github.com/cardea-mesh/cardea/services/policy => ../policy
)

module github.com/cardea-mesh/cardea/services/policy

go 1.26.0

require (
	gopkg.in/yaml.v3 v3.0.1
	pgregory.net/rapid v1.3.0
)

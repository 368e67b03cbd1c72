package database

// CockroachStatements returns what Bootstrap runs on CockroachDB, in order, where the super regions in there exist.
func CockroachStatements(l Layout, there ...string) (all []string) {
	for _, s := range append(append(cockroachRegions(l), cockroachPlacement(l, there)...), cockroachSchemas(l)...) {
		all = append(all, s.sql)
	}
	return all
}

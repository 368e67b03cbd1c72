package projection

// Differs names the first thing in which two views are not the same.
func Differs(a, b View) string { return a.differs(b.state) }

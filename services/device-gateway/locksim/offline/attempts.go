package offline

// How many wrong digits are taken in wrongWindow milliseconds, from the first on: of a person's PINs, and of entry codes.
const (
	maxWrongPINs  = 5
	maxWrongCodes = 10
	wrongWindow   = 10 * 60 * 1000
)

// attempts counts wrong digits by person ("": entry codes), since the lock has booted. There is at most one for each person of
// the bundles that it held.
type attempts map[string]wrong

type wrong struct {
	count int
	since uint64 // uptime
}

// try says whether digits are right; check is not asked when there were too many wrong ones. Right ones forget a person's
// wrong ones, but not the wrong entry codes: somebody with a code of their own could else guess without end.
func (a *attempts) try(person string, most int, uptime uint64, check func() bool) bool {
	w := (*a)[person]
	if w.count == 0 || uptime-w.since >= wrongWindow {
		w = wrong{since: uptime}
	}
	if w.count >= most {
		return false
	}
	if check() {
		if person != "" {
			delete(*a, person)
		}
		return true
	}
	if *a == nil {
		*a = attempts{}
	}
	w.count++
	(*a)[person] = w
	return false
}

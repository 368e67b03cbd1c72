package policytest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cardea-mesh/cardea/services/policy"
	"gopkg.in/yaml.v3"
)

// moment is an instant written with its offset, e.g. 2026-11-23T08:00:00+01:00.
type moment time.Time

// UnmarshalYAML refuses an instant without offset.
func (m *moment) UnmarshalYAML(node *yaml.Node) error {
	at, err := time.Parse(time.RFC3339Nano, node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*m = moment(at)
	return nil
}

// moments is one or several.
type moments []moment

// UnmarshalYAML takes a scalar or a list.
func (m *moments) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]moment)(m))
	}
	*m = make(moments, 1)
	return (*m)[0].UnmarshalYAML(node)
}

// reason is written as in the contract, without its prefix, e.g. OUTSIDE_SCHEDULE.
type reason policy.Reason

// UnmarshalYAML refuses names that are not in the list.
func (r *reason) UnmarshalYAML(node *yaml.Node) error {
	for known := policy.ReasonGrant; known <= policy.ReasonBrokenFacts; known++ {
		if known.String() == node.Value {
			*r = reason(known)
			return nil
		}
	}
	return fmt.Errorf("line %d: no reason %q", node.Line, node.Value)
}

// credential is `unknown`, `active`, `revoked`, or a status that this build does not
// know, written as a number.
type credential policy.CredentialStatus

// UnmarshalYAML refuses other words.
func (c *credential) UnmarshalYAML(node *yaml.Node) error {
	switch node.Value {
	case "unknown":
		*c = credential(policy.CredentialUnknown)
	case "active":
		*c = credential(policy.CredentialActive)
	case "revoked":
		*c = credential(policy.CredentialRevoked)
	default:
		var number int32
		if err := node.Decode(&number); err != nil {
			return fmt.Errorf("line %d: no credential status %q", node.Line, node.Value)
		}
		*c = credential(number)
	}
	return nil
}

func (s scheduleInFile) spec() (policy.ScheduleSpec, error) {
	var spec policy.ScheduleSpec
	for _, text := range s.Weekly {
		intervals, err := weekly(text)
		if err != nil {
			return spec, err
		}
		spec.Weekly = append(spec.Weekly, intervals...)
	}
	for _, e := range s.Exceptions {
		exception := policy.DatedException{Date: e.Date, EveryYear: e.EveryYear}
		for _, text := range e.Intervals {
			interval, err := hours(text)
			if err != nil {
				return spec, err
			}
			interval.Weekday = 1
			exception.Intervals = append(exception.Intervals, interval)
		}
		spec.Exceptions = append(spec.Exceptions, exception)
	}
	return spec, nil
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// weekly reads `mon-fri 08:00-18:00` or `sat 22:00-30:00`.
func weekly(text string) ([]policy.WeeklyInterval, error) {
	days, clock, found := strings.Cut(text, " ")
	interval, err := hours(clock)
	if !found || err != nil {
		return nil, fmt.Errorf("%q is not like `mon-fri 08:00-18:00`", text)
	}
	first, last, isRange := strings.Cut(days, "-")
	if !isRange {
		last = first
	}
	from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if from < 0 || to < from {
		return nil, fmt.Errorf("%q: days are mon tue wed thu fri sat sun, a range goes forward", text)
	}
	var all []policy.WeeklyInterval
	for day := from; day <= to; day++ {
		interval.Weekday = day + 1
		all = append(all, interval)
	}
	return all, nil
}

// hours reads `08:00-18:00`; hours beyond 24 are on the next day: `22:00-30:00`.
func hours(text string) (policy.WeeklyInterval, error) {
	var h1, m1, h2, m2 int
	if n, err := fmt.Sscanf(text, "%d:%d-%d:%d", &h1, &m1, &h2, &m2); n != 4 || err != nil {
		return policy.WeeklyInterval{}, fmt.Errorf("%q is not like `08:00-18:00`", text)
	}
	return policy.WeeklyInterval{StartMinute: h1*60 + m1, EndMinute: h2*60 + m2}, nil
}

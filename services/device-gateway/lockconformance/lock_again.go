package lockconformance

import (
	"context"
	"fmt"
	"io"
	"time"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
)

// enrolRule is where it is said that a lock enrolled more than once.
const enrolRule = "R-ENROLL-2"

// again is what a lock does that enrols once more within a run. It has a certificate, and its code is used up: it is answered as by any
// gateway, CLAIM_REFUSED, and has to go on with what it has. Before its first session that may be the operator, who is asked to give it the code twice,
// or a lock that tries again by itself: that is only told. Later nobody asks it to, and it would be a new device with an empty ring.
type again struct {
	open bool // it had a session
	// before and after its first session, and those of them that sent something else than an EnrollRequest.
	before, after int
	odd           string
	// whenRefused is called after each; nil: nothing is.
	whenRefused func()
}

func (a *again) refused() int { return a.before + a.after }

// refuse answers an enrolment.
func (a *again) refuse(p *peer) {
	defer p.close()
	m, err := p.next(p.patience)
	if err != nil {
		return // one that only looks whether somebody is there
	}
	if _, ok := m.(*lockwirev1.EnrollRequest); !ok {
		a.odd = name(m)
	}
	if a.open {
		a.after++
	} else {
		a.before++
	}
	if p.send(&lockwirev1.Error{Code: lockwirev1.ErrorCode_ERROR_CODE_CLAIM_REFUSED, Text: "the claim code is not valid"}) == nil {
		p.conn.CloseWrite()
	}
	if a.whenRefused != nil {
		a.whenRefused()
	}
}

// finding is what a report says of it; nil: nothing. lost is why no session came after it.
func (a *again) finding(lost error) error {
	switch {
	case a.refused() == 0:
		return nil
	case a.odd != "":
		return fmt.Errorf("on cardea-enroll/1 its first message is %s", a.odd)
	case lost != nil:
		return fmt.Errorf("it enrolled again with the used code, was answered CLAIM_REFUSED, and opens no session any more (%w); a lock keeps what it has when a code is refused", lost)
	case a.after > 0:
		return fmt.Errorf("it enrolled again with the used code, %d times after its first session, and was answered CLAIM_REFUSED: nobody asked it to", a.after)
	}
	return remark(fmt.Sprintf("it enrolled again with the used code, %d times before its first session, and was answered CLAIM_REFUSED", a.before))
}

// amend puts the finding into a report, at its rule or, where that was not looked at and it is a fault, behind all.
func (a *again) amend(out io.Writer, report Report, lost error) Report {
	found := a.finding(lost)
	if found == nil {
		return report
	}
	amended := perform(context.Background(), out, a, enrolRule, func(context.Context, *again) error { return found })
	for i := range report {
		if report[i].Rule != enrolRule {
			continue
		}
		if report[i].Outcome != Fail { // what failed before says more
			report[i] = amended
		}
		return report
	}
	if amended.Outcome == Fail {
		report = append(report, amended)
	}
	return report
}

// first is the lock's first session. A lock that enrolled again has so long to open it as anything is waited for: it may have thrown away what it had.
func (l *lockRun) first(ctx context.Context) (*peer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.again.whenRefused = func() { time.AfterFunc(l.cfg.Patience, cancel) }
	defer func() { l.again.whenRefused = nil }()
	return l.session(ctx, func(*lockwirev1.Welcome) {})
}

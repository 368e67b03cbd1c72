package offline

import lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"

// Feedback is what the reader shows.
func (d Decision) Feedback(p Presented) lockwirev1.Feedback {
	switch {
	case d.Granted():
		return lockwirev1.Feedback_FEEDBACK_GRANTED
	case d.Reason == factorNeeded && p.Card != nil: // after an entry code, more digits would be another one
		return lockwirev1.Feedback_FEEDBACK_TYPE_PIN
	case d.Reason == outside, d.Reason == notYet:
		return lockwirev1.Feedback_FEEDBACK_WRONG_TIME
	default:
		return lockwirev1.Feedback_FEEDBACK_DENIED
	}
}

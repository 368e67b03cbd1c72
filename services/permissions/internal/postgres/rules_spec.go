package postgres

import (
	"encoding/json"
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/grants"
	"github.com/cardea-mesh/cardea/services/policy"
)

// storedRules is a door's rules as they rest. Names are short and never change: rows are for ever.
type storedRules struct {
	AutoUnlock   string             `json:"auto_unlock,omitempty"`
	FirstPerson  *storedFirstPerson `json:"first_person,omitempty"`
	SecondFactor *storedFactor      `json:"second_factor,omitempty"`
	TwoPersonMS  int64              `json:"two_person_ms,omitempty"`
	OnStateLoss  int32              `json:"on_state_loss,omitempty"`
	Offline      *storedOffline     `json:"offline,omitempty"`
	HeldOpenMS   int64              `json:"held_open_ms,omitempty"`
}

type storedFirstPerson struct {
	Subject    string `json:"subject,omitempty"`
	Schedule   string `json:"schedule,omitempty"`
	GraceMS    int64  `json:"grace_ms,omitempty"`
	HoldOthers bool   `json:"hold_others,omitempty"`
}

type storedFactor struct {
	Schedule string `json:"schedule,omitempty"`
}

type storedOffline struct {
	BudgetMS  int64  `json:"budget_ms"`
	After     int32  `json:"after,omitempty"`
	Emergency string `json:"emergency,omitempty"`
}

// encodeRules is nil for rules that ask nothing.
func encodeRules(r grants.DoorRules) ([]byte, error) {
	s := storedRules{
		AutoUnlock: string(r.AutoUnlock), TwoPersonMS: r.TwoPersonWindow.Milliseconds(), OnStateLoss: int32(r.OnStateLoss),
		HeldOpenMS: r.HeldOpenAfter.Milliseconds(),
	}
	if f := r.FirstPerson; f != nil {
		s.FirstPerson = &storedFirstPerson{string(f.Subject), string(f.Schedule), f.Grace.Milliseconds(), f.HoldOthers}
	}
	if f := r.SecondFactor; f != nil {
		s.SecondFactor = &storedFactor{string(f.Schedule)}
	}
	if o := r.Offline; o != nil {
		s.Offline = &storedOffline{o.Budget.Milliseconds(), int32(o.After), string(o.Emergency)}
	}
	if s == (storedRules{}) {
		return nil, nil
	}
	return json.Marshal(s)
}

func decodeRules(raw []byte) (grants.DoorRules, error) {
	var r grants.DoorRules
	if len(raw) == 0 {
		return r, nil
	}
	var s storedRules
	if err := json.Unmarshal(raw, &s); err != nil {
		return r, wrap(err, "read a door's rules")
	}
	r.AutoUnlock, r.TwoPersonWindow = policy.ScheduleID(s.AutoUnlock), time.Duration(s.TwoPersonMS)*time.Millisecond
	r.OnStateLoss, r.HeldOpenAfter = grants.StateLoss(s.OnStateLoss), time.Duration(s.HeldOpenMS)*time.Millisecond
	if f := s.FirstPerson; f != nil {
		r.FirstPerson = &policy.FirstPerson{
			Subject: policy.SubjectID(f.Subject), Schedule: policy.ScheduleID(f.Schedule),
			Grace: time.Duration(f.GraceMS) * time.Millisecond, HoldOthers: f.HoldOthers,
		}
	}
	if f := s.SecondFactor; f != nil {
		r.SecondFactor = &policy.SecondFactor{Schedule: policy.ScheduleID(f.Schedule)}
	}
	if o := s.Offline; o != nil {
		r.Offline = &grants.Offline{
			Budget: time.Duration(o.BudgetMS) * time.Millisecond, After: grants.OfflineAfter(o.After), Emergency: policy.SubjectID(o.Emergency),
		}
	}
	return r, nil
}

// storedBorder is a zone's anti-passback as it rests.
type storedBorder struct {
	Mode    int32 `json:"mode"`
	ResetMS int64 `json:"reset_ms,omitempty"`
}

// encodeBorder is nil for a zone without anti-passback.
func encodeBorder(a *policy.AntiPassback) ([]byte, error) {
	if a == nil {
		return nil, nil
	}
	return json.Marshal(storedBorder{int32(a.Mode), a.ResetAfter.Milliseconds()})
}

func decodeBorder(raw []byte) (*policy.AntiPassback, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var s storedBorder
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, wrap(err, "read a zone's anti-passback")
	}
	return &policy.AntiPassback{Mode: policy.AntiPassbackMode(s.Mode), ResetAfter: time.Duration(s.ResetMS) * time.Millisecond}, nil
}

// storedHoliday is a date of a calendar as it rests.
type storedHoliday struct {
	Date      string `json:"date"`
	EveryYear bool   `json:"every_year,omitempty"`
	Name      string `json:"name,omitempty"`
}

func encodeHolidays(all []grants.NamedHoliday) ([]byte, error) {
	stored := make([]storedHoliday, len(all))
	for i, h := range all {
		stored[i] = storedHoliday{h.Date, h.EveryYear, h.Name}
	}
	return json.Marshal(stored)
}

func decodeHolidays(raw []byte) ([]grants.NamedHoliday, error) {
	var stored []storedHoliday
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, wrap(err, "read a calendar's dates")
	}
	all := make([]grants.NamedHoliday, len(stored))
	for i, h := range stored {
		all[i] = grants.NamedHoliday{Holiday: policy.Holiday{Date: h.Date, EveryYear: h.EveryYear}, Name: h.Name}
	}
	return all, nil
}

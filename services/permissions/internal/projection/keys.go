package projection

import (
	"slices"

	"github.com/cardea-mesh/cardea/services/policy"
)

// keys replaces grants, lockdowns and roles.
func (m *maker) keys() {
	m.grantRows()
	lockdowns := m.lockdowns.edit(func(l policy.Lockdown) policy.LockdownID { return l.ID }, lockdownBytes)
	for _, r := range m.rows.Lockdowns {
		lockdowns.mention(r.ID)
		if !over(r.From, r.Until, m.latest) {
			lockdowns.put(r.ID, r.Target, r.Lockdown)
		}
	}
	m.lockdowns = lockdowns.done()
	roles := m.roles.edit(func(r policy.RoleAssignment) roleID { return roleID(r.ID) }, roleBytes)
	for _, r := range m.rows.Roles {
		roles.mention(roleID(r.ID))
		if !over(r.ValidFrom, r.ValidTo, m.latest) {
			roles.put(roleID(r.ID), r.Subject, r.RoleAssignment)
		}
	}
	m.roles = roles.done()
	m.bytes += lockdowns.bytes + roles.bytes
}

// grantRows keeps of each grant what is not over. One that ran out by itself is kept as well: it tells why the door stays
// closed. One that somebody ended is no fact any more.
func (m *maker) grantRows() {
	if len(m.rows.Grants) == 0 {
		return
	}
	last := make(map[policy.GrantID]int, len(m.rows.Grants)) // its latest row
	for i, r := range m.rows.Grants {
		if at, ok := last[r.ID]; !ok || m.rows.Grants[at].ValidFrom.Before(r.ValidFrom) {
			last[r.ID] = i
		}
	}
	e := m.grants.edit(func(g policy.Grant) policy.GrantID { return g.ID }, grantBytes)
	subjects, targets := m.subjectsOf.edit(), m.targetsOf.edit()
	e.appeared = func(p pair) {
		subjects.link(p.target, p.subject)
		targets.link(p.subject, p.target)
	}
	e.vanished = func(p pair) {
		subjects.unlink(p.target, p.subject)
		targets.unlink(p.subject, p.target)
	}
	for i, r := range m.rows.Grants {
		e.mention(r.ID)
		ranOut := i == last[r.ID] && !r.Revoked
		if ranOut || !over(r.ValidFrom, r.ValidTo, m.latest) {
			e.put(r.ID, pair{r.Subject, r.Target}, r.Grant)
		}
	}
	for _, rows := range e.next {
		slices.SortFunc(rows, func(a, b placed[pair, policy.Grant]) int { return a.value.ValidFrom.Compare(b.value.ValidFrom) })
	}
	m.grants = e.done()
	m.subjectsOf, m.targetsOf = subjects.done(), targets.done()
	m.bytes += e.bytes + subjects.bytes + targets.bytes
}

package reference

import "time"

const shanghai = 8 * time.Hour // ahead of UTC, all year

// end writes a time so that byte order is time order.
func end(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// The lots that have no end come after all that have one: points that never
// end, and pending ones, by their order.
const never, pending = "never", "pending "

// lot is the end of points that become available now (积分有效期).
func (v Version) lot(now time.Time) string {
	if v.Months == 0 {
		return never
	}
	year, month, _ := now.UTC().Add(shanghai).Date()
	return end(time.Date(year, month+time.Month(v.Months)+1, 1, 0, 0, 0, 0, time.UTC).Add(-shanghai))
}

// bought is the order's part in its owner's purchase history.
func (o *order) bought() map[string]Bought {
	bought := map[string]Bought{}
	for _, line := range o.lines {
		if o.owner != "" && line.Category != "" && o.kept(line) > 0 {
			bought[line.Category] = Bought{1, bought[line.Category].Quantity + line.Quantity}
		}
	}
	return bought
}

// remember sets the date of a reminder for what became known.
func (o *order) remember(owner *Member, before map[string]Bought, now time.Time) {
	midnight := o.paid.Add(shanghai).Truncate(24 * time.Hour).Add(-shanghai)
	for category := range o.bought() {
		cycle, cyclic := o.rules.Cycles[category]
		due, usedUp := midnight.AddDate(0, 0, cycle.Days-cycle.Lead).Add(o.rules.Opens), midnight.AddDate(0, 0, cycle.Days+1)
		isNew := before[category].Purchases == 0
		if isNew && cyclic && now.Before(usedUp) && (owner.RemindAt.IsZero() || due.Before(owner.RemindAt)) {
			owner.RemindAt = due.UTC()
		}
	}
}

// addTo counts the order for its owner.
func (o *order) addTo(m *Member) {
	m.Orders += int64(min(1, len(o.lines)))
	for _, line := range o.lines {
		m.Paid, m.Refunded = m.Paid+line.Amount, m.Refunded+line.Amount-o.kept(line)
	}
	for category, bought := range o.bought() {
		m.Bought[category] = Bought{m.Bought[category].Purchases + 1, m.Bought[category].Quantity + bought.Quantity}
	}
}

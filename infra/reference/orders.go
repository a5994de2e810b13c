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

// refunds are the single ones by line and id, and the running totals under "".
type refunds map[[2]string]int64

// of is what was given back on a line: one source may know the single refunds
// and another the total, and both speak of the same money.
func (r refunds) of(line string) (fen int64) {
	for key, amount := range r {
		if key[0] == line && key[1] != "" {
			fen += amount
		}
	}
	return max(fen, r[[2]string{line, ""}])
}

// kept is what of a line's price the brand kept.
func (o *order) kept(line *held) int64 {
	if o.cancelled {
		return 0
	}
	return max(0, line.Amount-o.refunds.of(line.ID))
}

// closes is when the return window is over.
func (o *order) closes() time.Time {
	if o.completed.IsZero() {
		return o.paid.AddDate(0, 0, o.rules.Windows[o.channel].AfterPayment)
	}
	return o.completed.AddDate(0, 0, o.rules.Windows[o.channel].AfterCompletion)
}

// inForce is the version of the program at a time.
func inForce(versions []Version, at time.Time) (found Version) {
	for _, version := range versions {
		if !version.From.After(at) && !version.From.Before(found.From) {
			found = version
		}
	}
	return found
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

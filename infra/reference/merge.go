package reference

import (
	"maps"
	"slices"
)

// A merge moves nothing: the whole takes in what the part holds, and both hold
// what the part's orders bring from then on. Undoing it takes out what the part
// holds by then.

// share is points of one lot.
type share struct {
	lot    string
	points int64
}

func (b *book) merge(in Input) {
	whole, part := b.Members[in.Person], b.Members[in.From]
	if whole == nil || part == nil || whole == part || whole.into != "" || part.into != "" || part.parts > 0 {
		return
	}
	for _, lot := range slices.Sorted(maps.Keys(part.Lots)) {
		if has := part.Lots[lot]; lot <= end(in.Now) {
			whole.add(lot, has.Left, has.Expired) // over: it pays no debt
		} else {
			whole.credit(lot, has.Left)
			whole.add(lot, 0, has.Expired)
		}
	}
	before := maps.Clone(whole.Lots)
	whole.Debt += whole.spend(part.Debt, in.Now)
	part.covered = nil
	for _, lot := range slices.Sorted(maps.Keys(before)) {
		part.covered = append(part.covered, share{lot, before[lot].Left - whole.Lots[lot].Left})
	}
	part.into = in.Person
	whole.parts++
}

func (b *book) part(in Input) {
	whole, part := b.Members[in.Person], b.Members[in.From]
	if whole == nil || part == nil || part.into != in.Person {
		return
	}
	// Debt that leaves comes back to the lots that had covered it, as far as they
	// tell.
	debt := part.Debt
	today := inForce(b.versions, in.Now)
	for _, back := range slices.Concat([]share{{never, whole.Debt}}, part.covered, []share{{today.lot(in.Now), debt}}) {
		points := min(debt, back.points)
		whole.credit(back.lot, points)
		debt -= points
	}
	for _, lot := range slices.Sorted(maps.Keys(part.Lots)) {
		has := part.Lots[lot]
		whole.takeBack(lot, has.Left, in.Now)
		expired := min(has.Expired, whole.Lots[lot].Expired)
		whole.add(lot, 0, -expired)
		whole.takeBack(lot, has.Expired-expired, in.Now)
	}
	part.into = ""
	whole.parts--
}

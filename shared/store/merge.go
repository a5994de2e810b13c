package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/tiers"
)

// MaxParts is how many members may be merged into one. Each is read wherever
// the whole member is shown.
const MaxParts = 10

// Merge is a member's account being a part of another's (会员合并). The account
// keeps what it holds and goes on posting its own orders, whose effect is
// mirrored in the account of Into; nobody can do anything else with it.
type Merge struct {
	ID     string           `json:"id"`
	Part   loyalty.MemberID `json:"part"`
	Into   loyalty.MemberID `json:"into"`
	By     Hand             `json:"by"`
	Reason string           `json:"reason"`
	// The account of Into as it was before, as far as undoing needs it.
	Covered   points.Entry        `json:"covered,omitzero"` // see points.Account.Absorb
	Homeless  bool                `json:"homeless,omitempty"`
	Bought    map[string]Bought   `json:"bought,omitempty"`    // of the categories that both know; see Lend
	LastOther time.Time           `json:"last_other,omitzero"` // likewise of no category
	Reminded  map[string]Reminded `json:"reminded,omitempty"`
	Sent      []time.Time         `json:"sent,omitempty"`
	// Withdrawn is when the whole had withdrawn consents whose last act was the
	// part's; zero for never.
	Withdrawn map[loyalty.Consent]time.Time `json:"withdrawn,omitempty"`
	CheckIn   *LastCheckIn                  `json:"checkin,omitempty"` // where the merge changed it
	Joined    *LastCheckIn                  `json:"joined,omitempty"`  // to this

	Tier   tiers.State `json:"tier,omitzero"`
	Raised tiers.State `json:"raised,omitzero"` // the tier that the merge gave
}

// Lend notes in a part what the whole last bought of a category itself, before
// a purchase of the part takes that place. The conditions hold both to what was
// read.
// other tells whether that is so of goods of no category.
func Lend(whole, part Account, categories []string, other bool) (changes []table.Change, onPart, onWhole []table.Condition) {
	lent := *part.Merged
	lent.Bought = maps.Clone(lent.Bought)
	for _, category := range categories {
		own, known := whole.Bought[category]
		if !known || own.LastOrder == part.Bought[category].LastOrder {
			continue
		}
		if lent.Bought == nil {
			lent.Bought = map[string]Bought{}
		}
		lent.Bought[category] = own
		onWhole = append(onWhole, table.Equals(accountLastOrder+category, encode(own.LastOrder)))
	}
	if other && !whole.LastOther.IsZero() && !whole.LastOther.Equal(part.LastOther) {
		lent.LastOther = whole.LastOther
		onWhole = append(onWhole, table.Equals(accountLastOther, table.String(table.Instant(whole.LastOther))))
	}
	if len(onWhole) == 0 {
		return nil, nil, nil
	}
	return []table.Change{table.Set(accountMerge, encode(lent))}, []table.Condition{table.Equals(accountMerge, encode(*part.Merged))}, onWhole
}

// Erasure is that the person behind an account was erased (注销): who did it and
// why. The account and its ledger stay under the bare id.
type Erasure struct {
	By     Hand   `json:"by"`
	Reason string `json:"reason"`
}

// Includes tells whether what a member owns counts with this account.
func (a Account) Includes(member loyalty.MemberID) bool {
	return a.Member == member || slices.Contains(a.Parts, member)
}

// Parts reads the accounts that are parts of one, in one round trip; none where
// it has none.
func (s Store) Parts(ctx context.Context, whole Account) ([]Account, error) {
	if len(whole.Parts) == 0 {
		return nil, nil
	}
	read, err := s.Accounts(ctx, table.Strong, whole.Parts...)
	if err != nil {
		return nil, err
	}
	var parts []Account
	for _, part := range read {
		if part != nil && part.Merged != nil && part.Merged.Into == whole.Member { // else it left since
			parts = append(parts, *part)
		}
	}
	return parts, nil
}

// Whole fails with KindConflict code "member_merged" for an account that is a
// part of another's; it names that one.
func (a Account) Whole() error {
	if a.Merged == nil {
		return nil
	}
	return loyalty.Refuse(loyalty.KindConflict, "member_merged", "the member was merged into "+string(a.Merged.Into)+"; use that one")
}

// Open fails as Whole does, and with KindConflict code "member_erased" where
// the person was erased: nobody may act for them.
func (a Account) Open() error {
	if a.Erased != nil {
		return loyalty.Refuse(loyalty.KindConflict, "member_erased", "the person was erased; only the ledger is kept")
	}
	return a.Whole()
}

// Alive holds that the person was not erased.
func Alive() table.Condition { return table.Missing(accountErased) }

// StillAlive holds the same of a member to whose account nothing is done.
func StillAlive(member loyalty.MemberID) table.Action {
	return table.Check(table.AccountKey(member), Alive())
}

// Together holds two accounts as they were read and makes part a part of whole.
// fact holds what whole takes in; the schedule has to look at it by a time, and
// the changes and conditions are of its tier. It names in the merge what undoing
// needs.
func Together(whole, part Account, merge Merge, fact points.Fact, look time.Time, changes []table.Change, conditions []table.Condition) []table.Action {
	now := merge.By.At
	credit, held := CreditAndLook(fact.Entries, whole, look)
	changes = append(changes, credit...)
	conditions = slices.Concat(conditions, held, whole.stands())
	changes = append(changes, CountOrder(part.Orders, part.Paid, part.Refunded)...)
	if whole.Home == "" && part.Home != "" {
		merge.Homeless = true
		changes = append(changes, Home(part.Home))
	}
	merge.Bought, merge.Reminded = map[string]Bought{}, map[string]Reminded{}
	for _, category := range slices.Sorted(maps.Keys(part.Bought)) {
		theirs := part.Bought[category]
		own, known := whole.Bought[category]
		if known {
			merge.Bought[category] = own
		}
		if said, spoken := whole.Reminded[category]; spoken {
			merge.Reminded[category] = said
		}
		after := own
		after.Count, after.Quantity = own.Count+theirs.Count, own.Quantity+theirs.Quantity
		if own.First.IsZero() || !theirs.First.IsZero() && theirs.First.Before(own.First) {
			after.First = theirs.First
		}
		if theirs.Last.After(own.Last) {
			after.Last, after.LastOrder = theirs.Last, theirs.LastOrder
			if said, spoken := part.Reminded[category]; spoken && said.settles(theirs.Last) {
				changes = append(changes, table.Set(accountReminded+category, table.String(said.text())))
			}
		}
		changes = append(changes, changeBought(category, own, after)...)
	}
	merge.LastOther = whole.LastOther
	if part.LastOther.After(whole.LastOther) {
		changes = append(changes, table.Set(accountLastOther, table.String(table.Instant(part.LastOther))))
	}
	if len(part.Sent) > 0 { // what a cap counts
		merge.Sent = whole.Sent
		changes = append(changes, table.Set(accountSent, table.String(instants(allSent(whole.Sent, part.Sent)))))
	}
	for _, consent := range consents {
		joined, withdrawn, changed := joinConsent(whole, part, consent)
		changes = append(changes, joined...)
		if changed {
			if merge.Withdrawn == nil {
				merge.Withdrawn = map[loyalty.Consent]time.Time{}
			}
			merge.Withdrawn[consent] = withdrawn
		}
	}
	if joined := (LastCheckIn{CheckIn: whole.CheckIn.Join(part.CheckIn.CheckIn), Request: whole.CheckIn.Request}); joined.CheckIn != whole.CheckIn.CheckIn {
		if joined.Day != whole.CheckIn.Day {
			joined.Request = part.CheckIn.Request
		}
		own := whole.CheckIn
		merge.CheckIn, merge.Joined = &own, &joined
		changes = append(changes, table.Set(accountCheckIn, encode(joined)))
	}
	changes = append(changes, table.Add(accountParts, 1), table.Set(accountPart+string(part.Member), table.String(merge.ID)))
	if len(part.Bought) > 0 {
		call, held := WakeRemind.Ask(whole, now)
		changes, conditions = append(changes, call...), append(conditions, held)
	}
	conditions = append(conditions, Alive())

	quiet, unasked := WakeRemind.Answer(part, time.Time{})
	quiet = append(quiet, table.Set(accountMerged, table.String(string(merge.Into))), table.Set(accountMerge, encode(merge)))
	return []table.Action{
		putMerge(merge.ID, part.Member, fact),
		UpdateAccount(whole.Member, changes, distinct(conditions)...),
		UpdateAccount(part.Member, quiet, slices.Concat(part.stands(), unasked, []table.Condition{Alive(), counterStands(accountParts, 0)})...),
		table.Delete(table.RosterKey(part.Member)),
	}
}

// Apart undoes Together: part is a member of its own again, as it stands. fact
// holds what whole lets go.
func Apart(whole, part Account, id string, fact points.Fact, look time.Time, changes []table.Change, conditions []table.Condition) []table.Action {
	merge := *part.Merged
	credit, stands := CreditAndLook(fact.Entries, whole, look)
	for i, change := range credit {
		month, counts := strings.CutPrefix(change.Name, accountGrowth)
		if counts && int64(whole.Growth[month])+change.Value.Int() == 0 {
			credit[i] = table.Remove(change.Name)
		}
	}
	changes = append(changes, credit...)
	conditions = slices.Concat(conditions, stands, whole.stands())
	changes = append(changes, CountOrder(-part.Orders, -part.Paid, -part.Refunded)...)
	if merge.Homeless && whole.Orders == part.Orders {
		changes = append(changes, table.Remove(accountHome))
	}
	var back, minor []table.Change
	restored := false // a reminder of the whole's own is right again, or may leave earlier
	for _, category := range slices.Sorted(maps.Keys(part.Bought)) {
		theirs, all := part.Bought[category], whole.Bought[category]
		own, known := merge.Bought[category]
		after := all
		after.Count, after.Quantity = all.Count-theirs.Count, all.Quantity-theirs.Quantity
		if all.First.Equal(theirs.First) && (known || after.Count == 0) {
			after.First = own.First
		}
		lent := all.LastOrder == theirs.LastOrder
		if lent && (known || after.Count == 0) {
			after.Last, after.LastOrder = own.Last, own.LastOrder
			restored = restored || known
		}
		counted := changeBought(category, all, after)
		if after == (Bought{}) {
			changes = append(changes, counted...)
		} else {
			changes, minor = append(changes, counted[:2]...), append(minor, counted[2:]...)
		}
		said, spoken := whole.Reminded[category]
		if lent && spoken && said.Bought.Equal(theirs.Last) {
			if part.Reminded[category] != said {
				back = append(back, table.Set(accountReminded+category, table.String(said.text())))
			}
			unsaid := table.Remove(accountReminded + category)
			if before, ok := merge.Reminded[category]; ok {
				unsaid = table.Set(accountReminded+category, table.String(before.text()))
			}
			if !said.Bought.Equal(after.Last) { // else it says what became of the purchase that stays the last
				minor = append(minor, unsaid)
			}
		}
	}
	switch {
	case part.LastOther.IsZero() || !whole.LastOther.Equal(part.LastOther):
	case merge.LastOther.IsZero():
		changes = append(changes, table.Remove(accountLastOther))
	default:
		changes = append(changes, table.Set(accountLastOther, table.String(table.Instant(merge.LastOther))))
	}
	if len(part.Sent) > 0 && slices.EqualFunc(whole.Sent, allSent(merge.Sent, part.Sent), time.Time.Equal) {
		own := table.Remove(accountSent)
		if len(merge.Sent) > 0 {
			own = table.Set(accountSent, table.String(instants(merge.Sent)))
		}
		changes = append(changes, own)
		// Messages that the part's messages held up may leave earlier now.
		restored = restored || !whole.RemindAt.IsZero()
	}
	if merge.Joined != nil {
		left := LastCheckIn{whole.CheckIn.Without(merge.Joined.CheckIn, merge.CheckIn.CheckIn), whole.CheckIn.Request}
		if left.Day != whole.CheckIn.Day { // the part's day goes, and with it the request that made it
			left.Request = merge.CheckIn.Request
		}
		changes = append(changes, checkInChange(left))
	}
	for _, consent := range consents {
		_, given := whole.Consents[consent]
		at, rests := whole.Kept[consent]
		withdrawn := whole.Withdrawn[consent]
		if _, theirs := part.Consents[consent]; theirs && !given && !rests {
			back = append(back, table.Remove(accountConsent+string(consent))) // withdrawn while they were one
		}
		if !withdrawn.Before(merge.By.At.Truncate(time.Second)) && withdrawn.After(part.Withdrawn[consent]) {
			back = append(back, table.Set(accountWithdrawn+string(consent), table.String(table.Instant(withdrawn))))
		}
		changes = append(changes, leaveConsent(whole, part, consent)...)
		if len(whole.Parts) > 1 || !rests {
			continue
		}
		changes = append(changes, table.Remove(accountKept+string(consent)))
		if !given && !at.IsZero() {
			changes = append(changes, table.Set(accountConsent+string(consent), table.String(table.Instant(at))))
		}
	}
	if restored {
		call, held := WakeRemind.Ask(whole, fact.At)
		changes, conditions = append(changes, call...), append(conditions, held)
	}
	changes = append(changes, table.Add(accountParts, -1), table.Remove(accountPart+string(part.Member)))
	// A write holds so many changes: where there are more, the whole keeps the
	// part's dates of purchases, as it does of an order that was taken back.
	minor = minor[:max(0, min(len(minor), table.MaxChanges-len(changes)))]

	back = append(back, table.Remove(accountMerged), table.Remove(accountMerge))
	held := part.stands()
	if len(part.Bought) > 0 {
		call, stands := WakeRemind.Ask(part, fact.At)
		back, held = append(back, call...), append(held, stands)
	}
	return []table.Action{
		putMerge(id, part.Member, fact),
		UpdateAccount(whole.Member, append(changes, minor...), distinct(append(conditions, Alive()))...),
		UpdateAsRead(part, back, append(held, Alive())...),
		putRoster(part.Member, part.JoinedAt),
	}
}

var consents = []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing, loyalty.ConsentPersonalisation}

func allSent(one, other []time.Time) []time.Time {
	all := slices.Concat(one, other)
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// joinConsent is what becomes of a consent when part is merged into whole: of
// two acts of the person the later one counts; a consent that only one of them
// ever gave, and the other was never asked for, rests, as the stricter of the two.
// It tells when the whole had withdrawn it before, where that changes.
func joinConsent(whole, part Account, consent loyalty.Consent) (changes []table.Change, withdrawn time.Time, changed bool) {
	given, theirs := whole.Consents[consent], part.Consents[consent]
	_, own := whole.Consents[consent]
	_, others := part.Consents[consent]
	withdrawn = whole.Withdrawn[consent]
	latest := part.Withdrawn[consent]
	takes := func() []table.Change { // the time of the part's withdrawal
		if changed = latest.After(withdrawn); !changed {
			return nil
		}
		return []table.Change{table.Set(accountWithdrawn+string(consent), table.String(table.Instant(latest)))}
	}
	switch {
	case own && others, own && !latest.IsZero() && given.After(latest):
	case own:
		changes = append(takes(), table.Remove(accountConsent+string(consent)),
			table.SetIfMissing(accountKept+string(consent), table.String(table.Instant(given))))
	case others && !withdrawn.IsZero() && theirs.After(withdrawn):
		changes, changed = []table.Change{table.Set(accountConsent+string(consent), table.String(table.Instant(theirs)))}, true
	case others:
		changes = []table.Change{table.SetIfMissing(accountKept+string(consent), table.String(table.Instant(time.Time{})))}
	default:
		changes = takes()
	}
	return changes, withdrawn, changed
}

// leaveConsent undoes joinConsent for the whole, unless the person did something
// about the consent since. A consent that rested is for the caller.
func leaveConsent(whole, part Account, consent loyalty.Consent) []table.Change {
	before, changed := part.Merged.Withdrawn[consent]
	given, has := whole.Consents[consent]
	theirs, gave := part.Consents[consent]
	switch {
	case !changed:
		return nil
	case has && gave && given.Equal(theirs) && whole.Withdrawn[consent].Equal(before): // the whole's by the part's act alone
		return []table.Change{table.Remove(accountConsent + string(consent))}
	case !whole.Withdrawn[consent].Equal(part.Withdrawn[consent]):
		return nil
	case before.IsZero():
		return []table.Change{table.Remove(accountWithdrawn + string(consent))}
	}
	return []table.Change{table.Set(accountWithdrawn+string(consent), table.String(table.Instant(before)))}
}

// distinct leaves out what is held twice.
func distinct(conditions []table.Condition) []table.Condition {
	var all []table.Condition
	for _, condition := range conditions {
		if !slices.Contains(all, condition) {
			all = append(all, condition)
		}
	}
	return all
}

// stands holds all that a merge rests on to what was read: the points, the
// growth, the purchases (each of which asks for the settlement or moves a
// counter), the profile, the consents, what was sent and the last check-in.
func (a Account) stands() []table.Condition {
	conditions := []table.Condition{table.Equals(doc, encode(a.Profile)), WakeSettle.Unasked(a), SentStands(a)}
	conditions = append(conditions,
		counterStands(accountAvailable, int64(a.Balance.Available)), counterStands(accountPending, int64(a.Balance.Pending)),
		counterStands(accountDebt, int64(a.Balance.Debt)), counterStands(accountLots, a.LotsSeen), counterStands(accountGrown, a.GrowthSeen),
		counterStands(accountPaid, int64(a.Paid)), counterStands(accountRefunded, int64(a.Refunded)))
	for _, consent := range consents {
		if _, given := a.Consents[consent]; given {
			conditions = append(conditions, ConsentStands(a, consent))
		} else {
			conditions = append(conditions, table.Missing(accountConsent+string(consent)))
		}
		if at, ever := a.Withdrawn[consent]; ever {
			conditions = append(conditions, table.Equals(accountWithdrawn+string(consent), table.String(table.Instant(at))))
		} else {
			conditions = append(conditions, table.Missing(accountWithdrawn+string(consent)))
		}
	}
	return append(conditions, checkInStands(a))
}

// changeBought moves a category's history from what it was to what it is, and
// takes it away where it is nothing.
func changeBought(category string, was, is Bought) []table.Change {
	if is == (Bought{}) {
		changes := []table.Change{}
		for _, name := range []string{accountCount, accountQuantity, accountFirst, accountLast, accountLastOrder} {
			changes = append(changes, table.Remove(name+category))
		}
		return changes
	}
	changes := CountPurchase(category, is.Count-was.Count, is.Quantity-was.Quantity)
	if !is.First.Equal(was.First) {
		changes = append(changes, table.Set(accountFirst+category, table.String(table.Instant(is.First))))
	}
	if !is.Last.Equal(was.Last) || is.LastOrder != was.LastOrder {
		changes = append(changes, table.Set(accountLast+category, table.String(table.Instant(is.Last))),
			table.Set(accountLastOrder+category, encode(is.LastOrder)))
	}
	return changes
}

func putMerge(id string, part loyalty.MemberID, fact points.Fact) table.Action {
	return table.Put(ownItem(table.MergeKey(fact.Member, part, id), Record{Fact: fact}), table.Absent())
}

// MergeActed tells whether a merge or its undoing was committed under an id.
func (s Store) MergeActed(ctx context.Context, whole, part loyalty.MemberID, id string) (bool, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.MergeKey(whole, part, id))
	return err == nil && items[0] != nil, err
}

// Mirror puts what the nth fact of a part's order did to the account of the
// whole; fact is that fact with the entries of the whole.
func Mirror(part loyalty.MemberID, order loyalty.OrderKey, seq int, fact points.Fact) table.Action {
	own := Record{Fact: fact, Mirror: &Mirrored{Part: part, Order: order, Seq: seq}}
	own.Lines, own.Refunds, own.Window, own.Proof = nil, nil, nil, nil // the order's log has them
	return table.Put(ownItem(table.MirrorKey(fact.Member, part, order, seq), own), table.Absent())
}

// ownItem is a fact of a member's own, listed in their history.
func ownItem(key table.Key, record Record) table.Item {
	item := documentItem(key, record)
	item.Attributes["mpk"] = table.String(table.MemberPK(record.Member))
	item.Attributes["msk"] = table.String(table.HistorySK(record.At, key))
	return item
}

// Reserved tells whether any of the member's reservations is open.
func (s Store) Reserved(ctx context.Context, member loyalty.MemberID) (bool, error) {
	query := table.Query{PK: table.MemberPK(member), Prefix: table.ReservationPrefix, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return false, err
		}
		for _, item := range page.Items {
			if item.Text(reservationState) == string(ReservationReserved) {
				return true, nil
			}
		}
		if page.Next == "" {
			return false, nil
		}
		query.Cursor = page.Next
	}
}

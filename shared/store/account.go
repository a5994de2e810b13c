package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/tiers"
)

// Account is what is known of one member at a glance: every decision about them
// reads this one item.
type Account struct {
	Member   loyalty.MemberID
	JoinedAt time.Time
	Profile  Profile
	Balance  points.Balance
	Turnover points.Turnover               // of all their entries
	Lots     []points.Lot                  // earliest end first
	LotsSeen int64                         // how often a lot was changed
	Consents map[loyalty.Consent]time.Time // when each was given
	// Withdrawn is when each was withdrawn last (撤回同意), also of one that was
	// given again since.
	Withdrawn map[loyalty.Consent]time.Time
	Agreed    string          // version of the legal texts that the membership was agreed to by; "" where the program had none
	Home      loyalty.Channel // where the member first bought (从一而终)

	Growth        map[string]loyalty.Points // growth value that counts (成长值), by month of purchase
	GrowthPending loyalty.Points            // and that counts once return windows close
	GrowthSeen    int64                     // how often what counts, or the tier, was changed
	Tier          tiers.State               // 会员等级

	// FirstOrder is the order that got the bonus of the first one (首单); zero
	// when none did.
	FirstOrder loyalty.OrderKey

	Prizes map[string]int64 // of points that cards gave, by window; see PrizeCount

	Orders   int64       // orders of the member's, without those that were cancelled or refunded whole
	Paid     loyalty.Fen // net paid goods of all orders, with those
	Refunded loyalty.Fen // of that, given back
	Bought   map[string]Bought
	// LastOther is when goods of no category were last bought.
	LastOther time.Time
	Reminded  map[string]Reminded
	Sent      []time.Time // the last messages, oldest first
	CheckIn   LastCheckIn

	Merged *Merge                        // into another member; nil for none
	Parts  []loyalty.MemberID            // members who were merged into this one, by id
	Kept   map[loyalty.Consent]time.Time // consents that rest while they have parts; zero for one that only a part gave
	Erased *Erasure                      // the person was erased; nil for not

	RemindAt, SettleAt       time.Time // when the schedules should look at the member; zero for never
	RemindRides, SettleRides bool      // the call rides on the other (see Wake)
	RemindAsked, SettleAsked int64     // how often By asked for it
}

// Profile is what a member or an operator told about the person.
type Profile struct {
	Identities []ProfileIdentity `json:"identities"`
	Birthday   string            `json:"birthday,omitempty"`
	Facts      map[string]string `json:"facts,omitempty"`
}

// ProfileIdentity is an identity as pages may show it; Shown of a phone is
// masked.
type ProfileIdentity struct {
	Kind    loyalty.IdentityKind `json:"kind"`
	Channel loyalty.Channel      `json:"channel,omitempty"`
	Value   string               `json:"value"`           // a phone's is its token
	Shown   string               `json:"shown,omitempty"` // a phone's: "*******0000"
}

// Bought is the member's history with one category.
type Bought struct {
	Count, Quantity int64     // purchases and units, without those given back whole
	First, Last     time.Time // of purchases, given back or not
	LastOrder       loyalty.OrderKey
}

// Attribute names of an account. Those of one category or consent end in its
// name.
const (
	accountAvailable = "available"
	accountPending   = "pending"
	accountDebt      = "debt"
	accountIssued    = "issued"
	accountSpent     = "spent"
	accountClawed    = "clawed"
	accountLots      = "lots" // counts the changes of the two below
	accountLeft      = "x:"   // of the lot that ends then
	accountExpired   = "e:"
	accountJoined    = "joined"
	accountHome      = "home"
	accountOrders    = "orders"
	accountPaid      = "paid"
	accountRefunded  = "refunded"
	accountSent      = "sent"
	accountGrown     = "grown" // counts the changes of the next and of the tier
	accountGrowth    = "g:"    // of the month
	accountGrowing   = "growing"
	accountTier      = "tier"
	accountTierSince = "tier_since"
	accountTierUntil = "tier_until"
	accountFirstPaid = "first_order"
	accountCheckIn   = "checkin"
	accountConsent   = "consent:"
	accountWithdrawn = "no:" // when that consent was withdrawn last
	accountAgreed    = "agreed"
	accountCount     = "n:"
	accountQuantity  = "q:"
	accountFirst     = "f:"
	accountLast      = "l:"
	accountLastOrder = "o:"
	accountLastOther = "last" // of no category
	accountReminded  = "r:"
	accountMerged    = "merged" // into whom
	accountMerge     = "merge"  // the document of it
	accountParts     = "parts"  // counts the next
	accountPart      = "part:"
	accountKept      = "kept:"
	accountErased    = "erased"
	accountPrizes    = "w:" // points that cards gave in the window that began then
)

// lotEnd writes the end of a lot: byte order is time order, to the minute.
const lotEnd = "2006-01-02T15:04Z"

// Points are the account's points for a decision that is made now.
func (a Account) Points(now time.Time) points.Account {
	return points.Account{Balance: a.Balance, Lots: a.Lots, Now: now}
}

// Account reads one account strongly; KindNotFound code "member_unknown".
func (s Store) Account(ctx context.Context, member loyalty.MemberID) (Account, error) {
	accounts, err := s.Accounts(ctx, table.Strong, member)
	if err != nil {
		return Account{}, err
	}
	if accounts[0] == nil {
		return Account{}, memberUnknown()
	}
	return *accounts[0], nil
}

// AccountRefused reads the account whose condition refused a write at the
// position of an action; KindNotFound code "member_unknown" when there is none.
func AccountRefused(err error, action int, member loyalty.MemberID) (Account, error) {
	old := refusedAt(err, action)
	if old == nil {
		return Account{}, memberUnknown()
	}
	return ReadAccount(member, *old)
}

func memberUnknown() error {
	return loyalty.Refuse(loyalty.KindNotFound, "member_unknown", "there is no such member")
}

// Accounts reads up to 100 accounts in one round trip, nil for those that are
// not there.
func (s Store) Accounts(ctx context.Context, consistency table.Consistency, members ...loyalty.MemberID) ([]*Account, error) {
	keys := make([]table.Key, len(members))
	for i, member := range members {
		keys[i] = table.AccountKey(member)
	}
	items, err := s.Table.Get(ctx, consistency, keys...)
	if err != nil {
		return nil, err
	}
	accounts := make([]*Account, len(items))
	for i, item := range items {
		if item == nil {
			continue
		}
		account, err := ReadAccount(members[i], *item)
		if err != nil {
			return nil, err
		}
		accounts[i] = &account
	}
	return accounts, nil
}

// ReadAccount decodes an account's item.
func ReadAccount(member loyalty.MemberID, item table.Item) (Account, error) {
	a := Account{
		Member:   member,
		Balance:  points.Balance{Available: loyalty.Points(item.Int(accountAvailable)), Pending: loyalty.Points(item.Int(accountPending)), Debt: loyalty.Points(item.Int(accountDebt))},
		Turnover: points.Turnover{Issued: loyalty.Points(item.Int(accountIssued)), Spent: loyalty.Points(item.Int(accountSpent)), Clawed: loyalty.Points(item.Int(accountClawed))},
		Home:     loyalty.Channel(item.Text(accountHome)),
		Tier:     tiers.State{Level: item.Text(accountTier)},
		Growth:   map[string]loyalty.Points{},
		Orders:   item.Int(accountOrders),
		Paid:     loyalty.Fen(item.Int(accountPaid)),
		Refunded: loyalty.Fen(item.Int(accountRefunded)),
		Consents: map[loyalty.Consent]time.Time{},
		Bought:   map[string]Bought{},
		Reminded: map[string]Reminded{},
	}
	if raw := item.Text(doc); raw != "" {
		if err := json.Unmarshal([]byte(raw), &a.Profile); err != nil {
			return a, malformed("account", err)
		}
	}
	if raw := item.Text(accountMerge); raw != "" {
		if err := json.Unmarshal([]byte(raw), &a.Merged); err != nil {
			return a, malformed("account", err)
		}
	}
	if raw := item.Text(accountErased); raw != "" {
		if err := json.Unmarshal([]byte(raw), &a.Erased); err != nil {
			return a, malformed("account", err)
		}
	}
	if raw := item.Text(accountFirstPaid); raw != "" {
		if err := json.Unmarshal([]byte(raw), &a.FirstOrder); err != nil {
			return a, malformed("account", err)
		}
	}
	var err error
	instant := func(text string) time.Time {
		at, failed := time.Parse(time.RFC3339, text)
		if failed != nil && err == nil {
			err = malformed("account", failed)
		}
		return at
	}
	for name, value := range item.Attributes {
		switch name {
		case accountJoined:
			a.JoinedAt = instant(value.Text())
		case accountLastOther:
			a.LastOther = instant(value.Text())
		case WakeRemind.sk:
			a.RemindAt = instant(value.Text())
		case WakeSettle.sk:
			a.SettleAt = instant(value.Text())
		case WakeRemind.asked:
			a.RemindAsked = value.Int()
		case WakeSettle.asked:
			a.SettleAsked = value.Int()
		case accountAgreed:
			a.Agreed = value.Text()
		case accountLots:
			a.LotsSeen = value.Int()
		case accountGrown:
			a.GrowthSeen = value.Int()
		case accountGrowing:
			a.GrowthPending = loyalty.Points(value.Int())
		case accountTierSince:
			a.Tier.Since = instant(value.Text())
		case accountTierUntil:
			a.Tier.Until = instant(value.Text())
		case accountCheckIn:
			if failed := json.Unmarshal([]byte(value.Text()), &a.CheckIn); failed != nil && err == nil {
				err = malformed("account", failed)
			}
		case accountSent:
			for text := range strings.SplitSeq(value.Text(), " ") {
				a.Sent = append(a.Sent, instant(text))
			}
		}
		prefix, rest, found := strings.Cut(name, ":")
		if !found {
			continue
		}
		bought := a.Bought[rest]
		switch prefix + ":" {
		case accountLeft, accountExpired:
			until, failed := time.Parse(lotEnd, rest)
			if failed != nil && err == nil {
				err = malformed("account", failed)
			}
			lot := points.Share{Until: until, Points: loyalty.Points(value.Int())}
			if prefix+":" == accountExpired {
				lot.Points, lot.Expired = 0, lot.Points
			}
			a.Lots = a.Points(time.Time{}).Plus(points.Entry{Lots: []points.Share{lot}}).Lots
			continue
		case accountGrowth:
			if counting := loyalty.Points(value.Int()); counting != 0 { // all of it may have gone back
				a.Growth[rest] = counting
			}
			continue
		case accountPrizes:
			if a.Prizes == nil {
				a.Prizes = map[string]int64{}
			}
			a.Prizes[rest] = value.Int()
			continue
		case accountConsent:
			a.Consents[loyalty.Consent(rest)] = instant(value.Text())
			continue
		case accountWithdrawn:
			if a.Withdrawn == nil {
				a.Withdrawn = map[loyalty.Consent]time.Time{}
			}
			a.Withdrawn[loyalty.Consent(rest)] = instant(value.Text())
			continue
		case accountKept:
			if a.Kept == nil {
				a.Kept = map[loyalty.Consent]time.Time{}
			}
			a.Kept[loyalty.Consent(rest)] = instant(value.Text())
			continue
		case accountPart:
			a.Parts = append(a.Parts, loyalty.MemberID(rest))
			continue
		case accountReminded:
			reminded, failed := parseReminded(value.Text())
			if failed != nil && err == nil {
				err = malformed("account", failed)
			}
			a.Reminded[rest] = reminded
			continue
		case accountCount:
			bought.Count = value.Int()
		case accountQuantity:
			bought.Quantity = value.Int()
		case accountFirst:
			bought.First = instant(value.Text())
		case accountLast:
			bought.Last = instant(value.Text())
		case accountLastOrder:
			if failed := json.Unmarshal([]byte(value.Text()), &bought.LastOrder); failed != nil && err == nil {
				err = malformed("account", failed)
			}
		default:
			continue
		}
		a.Bought[rest] = bought
	}
	a.RemindRides = !a.RemindAt.IsZero() && item.Text(WakeRemind.pk) == ""
	a.SettleRides = !a.SettleAt.IsZero() && item.Text(WakeSettle.pk) == ""
	slices.Sort(a.Parts)
	return a, err
}

// CreateAccount is a new member's account and their line in the list of all
// members.
func CreateAccount(member loyalty.MemberID, profile Profile, consents []loyalty.Consent, now time.Time) []table.Action {
	attributes := map[string]table.Value{
		accountJoined: table.String(table.Instant(now)),
		doc:           encode(profile),
	}
	for _, consent := range consents {
		attributes[accountConsent+string(consent)] = table.String(table.Instant(now))
	}
	return []table.Action{
		table.Put(table.Item{Key: table.AccountKey(member), Attributes: attributes}, table.Absent()),
		putRoster(member, now),
	}
}

// putRoster lists a member among all members, and by when they joined.
func putRoster(member loyalty.MemberID, joined time.Time) table.Action {
	item := table.Item{Key: table.RosterKey(member), Attributes: map[string]table.Value{}}
	item.Attributes["mpk"] = table.String(table.JoinedPK(table.ListShard(string(member))))
	item.Attributes["msk"] = table.String(table.HistorySK(joined, item.Key))
	return table.Put(item)
}

// Newcomers is one page of all members, the last who joined first. One who was
// merged into another or erased a moment ago may still stand there, and their
// account tells.
func (s Store) Newcomers(ctx context.Context, limit int, cursor string) ([]loyalty.MemberID, string, error) {
	items, next, err := s.newest(ctx, table.JoinedPK, time.Time{}, limit, cursor)
	members := make([]loyalty.MemberID, len(items))
	for i, item := range items {
		members[i] = loyalty.MemberID(item.Key.SK)
	}
	return members, next, err
}

// ChangeProfile replaces a member's profile if it is still as it was read;
// nothing when it stays the same.
func ChangeProfile(was, is Profile) ([]table.Change, []table.Condition) {
	if encode(was) == encode(is) {
		return nil, nil
	}
	return []table.Change{table.Set(doc, encode(is))}, []table.Condition{table.Equals(doc, encode(was))}
}

// Agree records which version of the legal texts (会员协议, 隐私政策) somebody
// agreed to who gives consents: nothing where that is no membership, or there are
// no texts. The latest one stands.
func Agree(consents []loyalty.Consent, version string) []table.Change {
	if version == "" || !slices.Contains(consents, loyalty.ConsentMembership) {
		return nil
	}
	return []table.Change{table.Set(accountAgreed, table.String(version))}
}

// GiveConsent records a consent that the person gives now; a consent once given
// keeps its date.
func GiveConsent(consent loyalty.Consent, now time.Time) table.Change {
	return table.SetIfMissing(accountConsent+string(consent), table.String(table.Instant(now)))
}

// Told is what somebody tells of consents: when the person gave them, zero where
// the telling does not say, and to which version of the legal texts.
type Told struct {
	Consents []loyalty.Consent
	GivenAt  time.Time
	Agreed   string // "" where the program had none
}

// TellConsents records consents that somebody tells of at now. A consent that
// the person withdrew stays withdrawn, unless it is told that they gave it
// later; the conditions fail where a consent was withdrawn since the account
// was read.
func TellConsents(account Account, told Told, now time.Time) (changes []table.Change, conditions []table.Condition) {
	for _, consent := range told.Consents {
		if _, given := account.Consents[consent]; given {
			continue
		}
		at, held := told.GivenAt, table.MissingOrAtMost(accountWithdrawn+string(consent), table.String(table.Instant(told.GivenAt.Add(-time.Second))))
		if at.IsZero() {
			at, held = now, table.Missing(accountWithdrawn+string(consent))
		}
		withdrawn, ever := account.Withdrawn[consent]
		if ever && (told.GivenAt.IsZero() || !told.GivenAt.Truncate(time.Second).After(withdrawn)) {
			continue
		}
		changes, conditions = append(changes, GiveConsent(consent, at)), append(conditions, held)
		changes = append(changes, Agree([]loyalty.Consent{consent}, told.Agreed)...)
	}
	return changes, conditions
}

// WithdrawConsent takes a consent away at now, and one that rests too, and keeps
// the time: only a later act of the person gives it back.
func WithdrawConsent(consent loyalty.Consent, now time.Time) []table.Change {
	return []table.Change{
		table.Remove(accountConsent + string(consent)), table.Remove(accountKept + string(consent)),
		table.Set(accountWithdrawn+string(consent), table.String(table.Instant(now))),
	}
}

// forgetConsent takes all that is known of a consent away.
func forgetConsent(consent loyalty.Consent) []table.Change {
	return []table.Change{table.Remove(accountConsent + string(consent)), table.Remove(accountKept + string(consent)), table.Remove(accountWithdrawn + string(consent))}
}

// UpdateAccount changes an existing account that is not merged into another: the
// refusal shows one that is (see AccountRefused).
func UpdateAccount(member loyalty.MemberID, changes []table.Change, conditions ...table.Condition) table.Action {
	return table.Update(table.AccountKey(member), changes, append(conditions, table.Exists(), table.Missing(accountMerged))...)
}

// UpdateAsRead changes an account that is merged into the member whom it was
// read with, or into nobody if it was not then.
func UpdateAsRead(account Account, changes []table.Change, conditions ...table.Condition) table.Action {
	if account.Merged == nil {
		return UpdateAccount(account.Member, changes, conditions...)
	}
	held := table.Equals(accountMerged, table.String(string(account.Merged.Into)))
	return table.Update(table.AccountKey(account.Member), changes, append(conditions, held)...)
}

// Credit adds entries to the counters and lots of an account that they were
// decided on; of one that nobody looked at only Member is set. Where points are
// taken or debt is paid, the conditions hold what the decision rests on. A lot
// that fills asks to be looked at when it ends.
func Credit(entries []points.Entry, account Account) ([]table.Change, []table.Condition) {
	return CreditAndLook(entries, account, time.Time{})
}

// CreditAndLook is Credit, and asks to be looked at by a time; zero for never.
func CreditAndLook(entries []points.Entry, account Account, at time.Time) ([]table.Change, []table.Condition) {
	changes, conditions, ends := credit(entries, account)
	at = Earliest(at, ends)
	if at.IsZero() {
		return changes, conditions
	}
	call, held := WakeSettle.Ask(account, at)
	return append(changes, call...), append(conditions, held)
}

// CreditAndRest is Credit for the schedule that looked at the account: it need
// not look again before next, or before a lot ends. See Wake.Answer.
func CreditAndRest(entries []points.Entry, account Account, next time.Time) ([]table.Change, []table.Condition) {
	after := account.Points(time.Time{})
	for _, entry := range entries {
		after = after.Plus(entry)
	}
	changes, conditions, _ := credit(entries, account)
	call, held := WakeSettle.Answer(account, Earliest(next, after.Ends()))
	return append(changes, call...), append(conditions, held...)
}

// CreditWhileAwake is Credit for the schedule that goes on looking at the
// account: the call that woke it stands, so that nothing has to be asked for.
func CreditWhileAwake(entries []points.Entry, account, looked Account) ([]table.Change, []table.Condition) {
	changes, conditions, _ := credit(entries, account)
	return changes, append(conditions, table.Equals(WakeSettle.sk, table.String(table.Instant(looked.SettleAt))))
}

// Earliest is the earlier of two times, zero for never.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// credit also tells when the first of the lots ends that it fills.
func credit(entries []points.Entry, account Account) ([]table.Change, []table.Condition, time.Time) {
	var sum points.Balance
	var turnover points.Turnover
	taken, split, owes, chosen := false, false, false, false
	var after points.Account
	for _, entry := range entries {
		sum, after, turnover = sum.Plus(entry), after.Plus(entry), turnover.Plus(entry.Turnover())
		taken = taken || entry.Available < 0
		split = split || entry.Debt != 0 || entry.Available > 0
		owes = owes || entry.Debt > 0
		for _, share := range entry.Lots {
			chosen = chosen || share.Points < 0 || share.Expired < 0
		}
	}
	var changes []table.Change
	for _, counter := range []struct {
		name  string
		delta loyalty.Points
	}{
		{accountAvailable, sum.Available},
		{accountPending, sum.Pending},
		{accountDebt, sum.Debt},
		{accountIssued, turnover.Issued},
		{accountSpent, turnover.Spent},
		{accountClawed, turnover.Clawed},
	} {
		if counter.delta != 0 {
			changes = append(changes, table.Add(counter.name, int64(counter.delta)))
		}
	}
	var conditions []table.Condition
	if split {
		conditions = append(conditions, counterStands(accountDebt, int64(account.Balance.Debt)))
	}
	switch {
	case split && (taken || owes): // debt is what available points did not cover
		conditions = append(conditions, counterStands(accountAvailable, int64(account.Balance.Available)))
	case taken:
		conditions = append(conditions, table.AtLeast(accountAvailable, -int64(sum.Available)))
	}
	if taken || chosen {
		held, enough := account.leftBy(after.Lots, sum.Available)
		if split || !enough { // which lots were there to choose from
			held = []table.Condition{counterStands(accountLots, account.LotsSeen)}
		}
		conditions = append(conditions, held...)
	}
	changes = append(changes, grow(entries)...)
	return append(changes, account.changeLots(after.Lots, taken || chosen)...), conditions, filled(after.Lots)
}

// grow adds the entries' growth value.
func grow(entries []points.Entry) (changes []table.Change) {
	pending, counting := growth(entries)
	if pending != 0 {
		changes = append(changes, table.Add(accountGrowing, int64(pending)))
	}
	for _, month := range slices.Sorted(maps.Keys(counting)) {
		changes = append(changes, table.Add(accountGrowth+month, int64(counting[month])))
	}
	if len(counting) > 0 {
		changes = append(changes, table.Add(accountGrown, 1))
	}
	return changes
}

// growth adds up the entries' growth value: what is pending, and what counts by
// month, without months in which nothing changes.
func growth(entries []points.Entry) (pending loyalty.Points, counting map[string]loyalty.Points) {
	counting = map[string]loyalty.Points{}
	for _, entry := range entries {
		if entry.Growth != nil {
			pending += entry.Growth.Pending
			counting[entry.Growth.Month] += entry.Growth.Counting
		}
	}
	maps.DeleteFunc(counting, func(_ string, points loyalty.Points) bool { return points == 0 })
	return pending, counting
}

// Grows tells whether entries change the growth value that counts.
func Grows(entries []points.Entry) bool {
	_, counting := growth(entries)
	return len(counting) > 0
}

// ChangeTier gives an account another tier than it was read with, in the write
// that adds the entries (see Credit); the condition fails when the tier, or the
// growth that counts, changed since. It is counted with the changes of growth, so
// that each change of the tier has a number of its own, whatever its cause.
func ChangeTier(account Account, to tiers.State, entries []points.Entry) ([]table.Change, []table.Condition) {
	changes := []table.Change{table.Remove(accountTier), table.Remove(accountTierSince), table.Remove(accountTierUntil)}
	if to.Level != "" {
		changes[0], changes[1] = table.Set(accountTier, table.String(to.Level)), table.Set(accountTierSince, table.String(table.Instant(to.Since)))
	}
	if !to.Until.IsZero() {
		changes[2] = table.Set(accountTierUntil, table.String(table.Instant(to.Until)))
	}
	if !Grows(entries) {
		changes = append(changes, table.Add(accountGrown, 1))
	}
	return changes, TierStands(account)
}

// TierStands holds that the tier, and the growth that counts, are as they were
// read. A write that changes what counts has to hold it also where the tier
// stays: two that each leave it alone may change it together.
func TierStands(account Account) []table.Condition {
	held := table.Missing(accountTier)
	if account.Tier.Level != "" {
		held = table.Equals(accountTier, table.String(account.Tier.Level))
	}
	return []table.Condition{held, counterStands(accountGrown, account.GrowthSeen)}
}

// PutTier puts the fact that a member's tier changed; grown, Account.GrowthSeen
// before the change, tells it from every other of the member.
func PutTier(fact points.Fact, grown int64, change tiers.Change) table.Action {
	item := documentItem(table.TierKey(fact.Member, fact.At, grown), struct {
		Record
		tiers.Change
	}{Record{Fact: fact}, change})
	item.Attributes["mpk"] = table.String(table.MemberPK(fact.Member))
	item.Attributes["msk"] = table.String(table.HistorySK(fact.At, item.Key))
	return table.Put(item, table.Absent())
}

// leftBy holds that each lot keeps something of what is taken from it. That is
// enough where points of lots alone are taken, and lets such takings pass each
// other by; false for all others.
func (a Account) leftBy(deltas []points.Lot, taken loyalty.Points) (conditions []table.Condition, enough bool) {
	for _, delta := range deltas {
		if delta.Left >= 0 || delta.Expired != 0 || a.lot(delta.Until).Left+delta.Left <= 0 {
			return nil, false
		}
		conditions = append(conditions, table.AtLeast(accountLeft+delta.Until.UTC().Format(lotEnd), 1-int64(delta.Left)))
		taken -= delta.Left
	}
	return conditions, taken == 0
}

func (a Account) lot(until time.Time) points.Lot {
	for _, lot := range a.Lots {
		if lot.Until.Equal(until) {
			return lot
		}
	}
	return points.Lot{}
}

func filled(deltas []points.Lot) time.Time {
	for _, delta := range deltas {
		if delta.Left > 0 {
			return delta.Until
		}
	}
	return time.Time{}
}

// changeLots adds deltas to the lots. Where exact, they are as the account has
// them, and what is empty leaves it.
func (a Account) changeLots(deltas []points.Lot, exact bool) (changes []table.Change) {
	for _, delta := range deltas {
		was := a.lot(delta.Until)
		for _, part := range []struct {
			name       string
			was, delta loyalty.Points
		}{{accountLeft, was.Left, delta.Left}, {accountExpired, was.Expired, delta.Expired}} {
			name := part.name + delta.Until.UTC().Format(lotEnd)
			switch {
			case part.delta == 0:
			case exact && part.was+part.delta == 0:
				changes = append(changes, table.Remove(name))
			default:
				changes = append(changes, table.Add(name, int64(part.delta)))
			}
		}
	}
	if len(deltas) > 0 {
		changes = append(changes, table.Add(accountLots, 1))
	}
	return changes
}

// Home records where the member first bought.
func Home(channel loyalty.Channel) table.Change {
	return table.SetIfMissing(accountHome, table.String(string(channel)))
}

// TakeFirstOrder gives the bonus of a member's first order to an order; the
// condition fails when another has it.
func TakeFirstOrder(order loyalty.OrderKey) (table.Change, table.Condition) {
	return table.Set(accountFirstPaid, encode(order)), table.MissingOrEquals(accountFirstPaid, encode(order))
}

// CountOrder adds an order, which counts or counts no longer, and its money to the
// totals.
func CountOrder(orders int64, paid, refunded loyalty.Fen) []table.Change {
	var changes []table.Change
	for _, counter := range []struct {
		name  string
		delta int64
	}{{accountOrders, orders}, {accountPaid, int64(paid)}, {accountRefunded, int64(refunded)}} {
		if counter.delta != 0 {
			changes = append(changes, table.Add(counter.name, counter.delta))
		}
	}
	return changes
}

// CountPurchase adds purchases (or, negative, takes back ones that were
// refunded whole) to a category.
func CountPurchase(category string, purchases, quantity int64) []table.Change {
	return []table.Change{table.Add(accountCount+category, purchases), table.Add(accountQuantity+category, quantity)}
}

// FirstPurchase records a category's first purchase, unless one is known.
func FirstPurchase(category string, at time.Time) table.Change {
	return table.SetIfMissing(accountFirst+category, table.String(table.Instant(at)))
}

// LastPurchase records a category's last purchase; the condition fails when a
// later one is known.
func LastPurchase(category string, at time.Time, order loyalty.OrderKey) ([]table.Change, table.Condition) {
	instant := table.String(table.Instant(at))
	return []table.Change{
		table.Set(accountLast+category, instant),
		table.Set(accountLastOrder+category, encode(order)),
	}, table.MissingOrAtMost(accountLast+category, instant)
}

// LastOther records the last purchase of goods of no category; the condition fails
// when a later one is known.
func LastOther(at time.Time) (table.Change, table.Condition) {
	instant := table.String(table.Instant(at))
	return table.Set(accountLastOther, instant), table.MissingOrAtMost(accountLastOther, instant)
}

func malformed(entity string, cause error) error {
	return &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: fmt.Errorf("%s: %w", entity, cause)}
}

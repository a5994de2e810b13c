package sim

import (
	"fmt"
	"slices"
)

// Kind is one kind of fault that the simulator injects or provokes.
type Kind int

// The kinds that these paths can meet. The number in the catalogue is the one
// of the project's list of 42 fault kinds.
const (
	Throttle Kind = iota
	ThrottleBurst
	InjectedConflict
	RealConflict
	RequestLost
	ResponseLost
	RepeatedByClient
	MixedBurst
	Zombie
	ZombieAfterExpiry
	StaleGet
	StaleIndex
	IndexItemMissing
	IndexItemTwice
	TornRead
	ShortPage
	EmptyPage
	LateTTL
	CrashBeforeCall
	CrashAfterCommit
	CrashBetween
	TimeoutKill
	Freeze
	StaleGlobals
	PanicInRecord
	ClockSkew
	ClockBack
	Duplicate
	ConcurrentDuplicate
	Reorder
	Delay
	ReceivedByNobody
	BatchResponseLost
	SentTwice
	PageTwice
	SendPartial
	RedriveLater
	Poison
	SameOrderInBatch
	FiredTwice
	FiredLate
	Missed
	Overlapping
	RetrySameKey
	RetryOtherKey
	OtherDevice
	OtherMember
	NotifierBefore
	NotifierAfter
	CampaignEdited
	BudgetLowered
	BatchFrozen
	RedriveInTraffic
	PayerBefore
	PayerLate
	PayerTwice
	PayerWrong
	KeptRetried
	KeptDismissed
	VerdictsCross
	AppealMeetsVerdict
	ClaimMeetsOrder
	ClaimMeetsProof
	ByHandMeetsPayer
	GivenBackTwice
	kinds
)

// site is where a fault strikes, which decides how often it is tried and so how
// rare it has to be.
type site int

const (
	atCall     site = iota // at each call of a function to the table, a queue or the notifier
	atRare                 // at each of the few calls that it can strike
	atMessage              // at each delivery of a message
	atSchedule             // at each firing of a schedule
	atWorld                // once a seed
)

var catalogue = [kinds]struct {
	number int
	name   string
	site   site
}{
	Throttle:            {1, "throttle, single", atCall},
	ThrottleBurst:       {2, "throttle, burst longer than the retries", atCall},
	InjectedConflict:    {3, "transaction conflict, injected", atCall},
	RealConflict:        {4, "real conflict by interleaving", atCall},
	RequestLost:         {5, "request lost before the table", atCall},
	ResponseLost:        {6, "response lost after commit", atCall},
	RepeatedByClient:    {6, "response lost, the client repeats the write itself", atCall},
	MixedBurst:          {7, "requests and responses lost in a burst", atCall},
	Zombie:              {8, "zombie write lands seconds later", atCall},
	ZombieAfterExpiry:   {9, "zombie write lands after the batch ended", atRare},
	StaleGet:            {10, "stale eventual get", atRare},
	StaleIndex:          {11, "stale index", atCall},
	IndexItemMissing:    {12, "item missing from an index page", atRare},
	IndexItemTwice:      {12, "item twice in an index page", atRare},
	TornRead:            {13, "transaction half seen by a read of several items", atCall},
	ShortPage:           {14, "page ends mid-way", atCall},
	EmptyPage:           {14, "empty page with a cursor", atRare},
	LateTTL:             {16, "TTL deletes late (or never)", atWorld},
	CrashBeforeCall:     {19, "crash before a call", atCall},
	CrashAfterCommit:    {20, "crash after commit", atCall},
	CrashBetween:        {21, "crash between prepare and commit", atCall},
	TimeoutKill:         {22, "killed at the timeout", atCall},
	Freeze:              {23, "frozen, then thawed with the clock ahead", atCall},
	StaleGlobals:        {23, "thawed hours later with old globals", atSchedule},
	PanicInRecord:       {25, "panic in one record of a batch", atCall},
	ClockSkew:           {26, "clock skew of up to 60 s", atWorld},
	ClockBack:           {27, "clock goes back", atCall},
	Duplicate:           {28, "duplicate delivery", atMessage},
	ConcurrentDuplicate: {29, "concurrent duplicate", atMessage},
	Reorder:             {30, "reorder", atMessage},
	Delay:               {31, "delay of up to two days", atMessage},
	ReceivedByNobody:    {32, "received by nobody", atMessage},
	BatchResponseLost:   {33, "batch response lost", atMessage},
	SentTwice:           {34, "producer sends twice", atRare},
	PageTwice:           {34, "a campaign's page asked for twice at once", atWorld},
	SendPartial:         {34, "send kept in part, and failed", atRare},
	RedriveLater:        {35, "dead letters redriven days later", atWorld},
	Poison:              {36, "poison inside a good batch", atWorld},
	SameOrderInBatch:    {37, "same order twice in one batch", atMessage},
	FiredTwice:          {38, "schedule fired twice", atSchedule},
	FiredLate:           {39, "schedule late", atSchedule},
	Missed:              {39, "schedule missed", atSchedule},
	Overlapping:         {40, "schedule overlaps its last run", atSchedule},
	RetrySameKey:        {41, "answer lost, client retries with the same key", atMessage},
	RetryOtherKey:       {41, "answer lost, client retries with another key", atMessage},
	OtherDevice:         {41, "same person from two devices at one instant", atWorld},
	OtherMember:         {41, "another member at the same instant", atWorld},
	NotifierBefore:      {42, "notifier times out before it took the message", atRare},
	NotifierAfter:       {42, "notifier times out after it took the message", atRare},
	CampaignEdited:      {42, "campaign edited mid-flight", atWorld},
	BudgetLowered:       {42, "budget lowered mid-flight", atWorld},
	BatchFrozen:         {42, "card batch frozen mid-flight", atWorld},
	RedriveInTraffic:    {42, "operator redrives during traffic", atWorld},
	PayerBefore:         {42, "payer times out before he took the order", atRare},
	PayerLate:           {42, "payer took the order and answers too late", atRare},
	PayerTwice:          {42, "payer's word comes once more by another way", atRare},
	PayerWrong:          {42, "payer answers about another bill", atRare},
	KeptRetried:         {41, "a kept input is to be applied again, twice at once", atSchedule},
	GivenBackTwice:      {41, "spent points are given back from two desks at once", atSchedule},
	KeptDismissed:       {42, "a kept input dismissed while it is applied again", atSchedule},
	VerdictsCross:       {42, "operators decide about a held card at one instant", atWorld},
	ClaimMeetsOrder:     {42, "order claimed on a card's page as its news comes", atMessage},
	ClaimMeetsProof:     {42, "order claimed on a card's page as the card is proved", atMessage},
	ByHandMeetsPayer:    {42, "operators end a payout while the payer is at it", atRare},
	AppealMeetsVerdict:  {42, "customer appeals while operators decide", atWorld},
}

// String is the kind's number in the project's list and its name.
func (k Kind) String() string { return fmt.Sprintf("%2d %s", catalogue[k].number, catalogue[k].name) }

// Absent are the kinds of the project's list that these paths cannot meet.
var Absent = []struct {
	Number    int
	Name, Why string
}{
	{15, "UnprocessedItems", "asked for again inside the dynamo engine, below the interface; its own tests inject it"},
	{17, "client token expired", "the token is made and spent inside one call of the dynamo engine"},
	{18, "restore with part of a transaction", "no path restores; it is an operator's procedure"},
	{24, "two versions of the code at once", "there is no earlier version yet whose items or messages could be met"},
}

// rates from which a seed draws one for each kind that it has (swarm testing:
// not every kind in every seed, so that none hides behind another).
var rates = map[site][]float64{
	atCall:     {0.002, 0.01, 0.04},
	atRare:     {0.05, 0.2, 0.4},
	atMessage:  {0.05, 0.2, 0.5},
	atSchedule: {0.1, 0.3},
	atWorld:    {1},
}

// Injection is one fault that was injected. Its ID names the place: the same in
// every run that gets there the same way.
type Injection struct {
	ID    uint64
	Kind  Kind
	Where string
}

// faults decides what goes wrong. The decision at a place depends on the seed
// and the place alone, so that leaving one fault out does not draw the others
// anew.
type faults struct {
	seed     uint64
	rate     [kinds]float64
	only     map[uint64]bool // when set, nothing else is injected
	off      bool
	counts   [kinds]int
	injected []Injection
}

func newFaults(seed uint64, only map[uint64]bool) *faults {
	f := &faults{seed: seed, only: only}
	for k := range kinds {
		h := mix(seed, 0x5eed, uint64(k))
		if h%2 == 0 {
			choice := rates[catalogue[k].site]
			f.rate[k] = choice[(h>>8)%uint64(len(choice))]
		}
	}
	return f
}

// strikes decides whether the kind of fault happens at the place. The number
// that it returns is to draw the fault's details from.
func (f *faults) strikes(kind Kind, where string, place ...uint64) (uint64, bool) {
	id, strikes := f.decide(kind, place)
	if !strikes {
		return 0, false
	}
	return f.inject(kind, id, where), true
}

func (f *faults) decide(kind Kind, place []uint64) (id uint64, strikes bool) {
	if f.off || f.rate[kind] == 0 {
		return 0, false
	}
	id = mix(f.seed, uint64(kind)+1)
	for _, part := range place {
		id = mix(id, part)
	}
	return id, float64(id>>11)/(1<<53) < f.rate[kind] && (f.only == nil || f.only[id])
}

func (f *faults) inject(kind Kind, id uint64, where string) (draw uint64) {
	f.counts[kind]++
	f.injected = append(f.injected, Injection{id, kind, where})
	return mix(id, 1)
}

// met counts a fault that came by itself.
func (f *faults) met(kind Kind) {
	if !f.off {
		f.counts[kind]++
	}
}

// mix hashes numbers (splitmix64 over each).
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, part := range parts {
		h ^= part
		h += 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// number makes a number of a name.
func number(name string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// allKinds lists the kinds in the order of the project's list.
func allKinds() []Kind {
	all := make([]Kind, kinds)
	for k := range all {
		all[k] = Kind(k)
	}
	slices.SortStableFunc(all, func(a, b Kind) int { return catalogue[a].number - catalogue[b].number })
	return all
}

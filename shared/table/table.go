// Package table is the seam between huitou and its storage: one table in
// which items are found by partition key and sort key, written all or nothing
// under conditions from a closed set, and metered in the units that DynamoDB
// bills. The dynamo engine renders it for AWS, the embedded engine keeps it in
// one process, and tabletest proves that the two agree.
package table

import "context"

// Key finds one item.
type Key struct {
	PK string // partition key, 1 to 2,048 bytes
	SK string // sort key, 1 to 1,024 bytes
}

// Value is a string or a whole number. Structured content is kept as a JSON
// document in one string: only what a condition, a counter or an index looks
// at needs an attribute of its own.
type Value struct {
	text   string
	number int64
	isText bool
}

// String makes a text value.
func String(text string) Value { return Value{text: text, isText: true} }

// Number makes a numeric value.
func Number(n int64) Value { return Value{number: n} }

// IsString tells text from number.
func (v Value) IsString() bool { return v.isText }

// Text is the text of a string value and "" of a number.
func (v Value) Text() string { return v.text }

// Int is the number of a numeric value and 0 of a string.
func (v Value) Int() int64 { return v.number }

// Item is one row: its key and its other attributes. The names "pk" and "sk"
// are taken by the key.
type Item struct {
	Key        Key
	Attributes map[string]Value
}

// Text reads a string attribute, "" where it is absent.
func (i Item) Text(name string) string { return i.Attributes[name].text }

// Int reads a numeric attribute, 0 where it is absent.
func (i Item) Int(name string) int64 { return i.Attributes[name].number }

// Has tells whether the attribute is there.
func (i Item) Has(name string) bool { _, ok := i.Attributes[name]; return ok }

// Consistency chooses between the cheap read that may be stale and the strong
// read that sees every acknowledged write. It is never a default: a caller
// says which one its decision bears.
type Consistency bool

// The two reads: an eventual one costs half the units of a strong one.
const (
	Eventual Consistency = false
	Strong   Consistency = true
)

// Table is the only storage interface.
//
// Every method may fail with a *loyalty.Error: KindUnavailable when the engine
// throttles, times out or lost a transaction conflict after its own retries
// (the outcome of such a Write is unknown: it may have happened), KindInvalid
// when a limit of DynamoDB would be broken (see Validate).
type Table interface {
	// Get reads up to 100 items in one round trip (more than one where they
	// are over 16 MB together), in the order of the keys; nil stands for an
	// item that is not there. Each key is billed by itself, see ReadUnits.
	Get(ctx context.Context, consistency Consistency, keys ...Key) ([]*Item, error)

	// Query reads one page of a partition of the table or of an index, in sort
	// key order. A page holds at most Limit items and at most 1 MB.
	Query(ctx context.Context, query Query) (Page, error)

	// Scan reads one page of one segment of the whole table, in no order.
	Scan(ctx context.Context, scan Scan) (Page, error)

	// Write commits all actions or none. One action is a single write (1 unit
	// per started KB), several are a transaction (2 units), and so is a check
	// alone. When a condition does not hold it returns a *ConditionError that
	// names every action that was refused, and has changed nothing; that is
	// billed too, see RefusedUnits. Where an update adds to a string or makes
	// an item too large the error is KindInvalid; where a condition of another
	// action fails as well, either error may come.
	Write(ctx context.Context, actions ...Action) error
}

// Query selects one page of a partition.
type Query struct {
	Index       string // name of one of Indexes, "" for the table itself
	PK          string
	Prefix      string // sort keys that begin so; excludes From and To
	From, To    string // inclusive bounds of the sort key; "" is open
	Limit       int    // 1 to 1,000
	Cursor      string // Page.Next of the page before, "" for the first
	Descending  bool
	Consistency Consistency // an index can only be read Eventual
}

// Scan selects one page of one segment.
type Scan struct {
	Segment, Segments int // 0 ≤ Segment < Segments ≤ 1,000,000
	Limit             int // 1 to 1,000
	Cursor            string
	Consistency       Consistency
}

// Page is a run of items and the opaque cursor of what follows, "" at the end.
// A page can be empty and yet have a Next.
type Page struct {
	Items []Item
	Next  string
}

// Op is what an Action does.
type Op int

// The four operations.
const (
	OpPut    Op = iota + 1 // replace the whole item
	OpUpdate               // change some attributes; creates the item when it is absent
	OpDelete
	OpCheck // write nothing, only hold the conditions
)

// Action is one part of a Write.
type Action struct {
	Op      Op
	Item    Item     // OpPut: the whole item; the others: its Key alone
	Changes []Change // OpUpdate
	If      []Condition
}

// Put replaces the whole item.
func Put(item Item, conditions ...Condition) Action {
	return Action{Op: OpPut, Item: item, If: conditions}
}

// Update changes attributes of one item and creates it when it is absent.
func Update(key Key, changes []Change, conditions ...Condition) Action {
	return Action{Op: OpUpdate, Item: Item{Key: key}, Changes: changes, If: conditions}
}

// Delete removes an item; removing an absent one is no error.
func Delete(key Key, conditions ...Condition) Action {
	return Action{Op: OpDelete, Item: Item{Key: key}, If: conditions}
}

// Check holds conditions on an item that the Write does not touch.
func Check(key Key, conditions ...Condition) Action {
	return Action{Op: OpCheck, Item: Item{Key: key}, If: conditions}
}

// ChangeOp is how an Update changes an attribute.
type ChangeOp int

// The changes. An attribute may be named once in an Update.
const (
	ChangeSet          ChangeOp = iota + 1
	ChangeSetIfMissing          // keeps the value that is there
	ChangeAdd                   // adds to a number; an absent one counts as 0
	ChangeRemove
)

// Change is one attribute's change.
type Change struct {
	Op    ChangeOp
	Name  string
	Value Value
}

// Set gives the attribute a value.
func Set(name string, value Value) Change { return Change{ChangeSet, name, value} }

// SetIfMissing gives the attribute a value unless it has one.
func SetIfMissing(name string, value Value) Change { return Change{ChangeSetIfMissing, name, value} }

// Add adds n (which may be negative) to a counter.
func Add(name string, n int64) Change { return Change{ChangeAdd, name, Number(n)} }

// Remove takes the attribute away; an index entry that hangs on it goes too.
func Remove(name string) Change { return Change{Op: ChangeRemove, Name: name} }

// Test is one of the closed set of conditions.
type Test int

// The tests. The ones that name an attribute fail when it is absent, but for
// those that say otherwise.
const (
	TestExists          Test = iota + 1 // the item is there
	TestAbsent                          // the item is not there
	TestEquals                          // attribute = value
	TestMissing                         // the attribute (or the item) is not there
	TestAtLeast                         // attribute ≥ number
	TestAtMost                          // attribute ≤ number
	TestMissingOrEquals                 // not there, or = value
	TestMissingOrAtMost                 // not there, or ≤ value (numbers, or strings by bytes)
)

// Condition must hold on the item as it was before the Write.
type Condition struct {
	Test  Test
	Name  string // the attribute; "" for TestExists and TestAbsent
	Value Value
}

// The constructors of conditions, named after their tests.

func Exists() Condition { return Condition{Test: TestExists} }
func Absent() Condition { return Condition{Test: TestAbsent} }
func Equals(name string, value Value) Condition {
	return Condition{TestEquals, name, value}
}
func Missing(name string) Condition          { return Condition{Test: TestMissing, Name: name} }
func AtLeast(name string, n int64) Condition { return Condition{TestAtLeast, name, Number(n)} }
func AtMost(name string, n int64) Condition  { return Condition{TestAtMost, name, Number(n)} }
func MissingOrEquals(name string, value Value) Condition {
	return Condition{TestMissingOrEquals, name, value}
}

func MissingOrAtMost(name string, value Value) Condition {
	return Condition{TestMissingOrAtMost, name, value}
}

// ConditionError says which actions' conditions did not hold. Nothing was
// written.
type ConditionError struct {
	Failed []Failure
}

// Failure is one action that was refused.
type Failure struct {
	Action int   // its position in the Write
	Old    *Item // the item that refused it, as it stood then; nil when it was absent
}

func (e *ConditionError) Error() string { return "table: a condition does not hold" }

// FailedAt is the failure of the action at the position, nil when its own
// conditions held.
func (e *ConditionError) FailedAt(action int) *Failure {
	for i := range e.Failed {
		if e.Failed[i].Action == action {
			return &e.Failed[i]
		}
	}
	return nil
}

package table

// This file is the one place where DynamoDB's units are computed. The dynamo
// engine reports what DynamoDB says and comes here only for what DynamoDB does
// not say: the price of a write that a condition refused.
//
// Source: Amazon DynamoDB Developer Guide, "DynamoDB read and write
// operations", "Item sizes and formats" and "Provisioned throughput
// considerations for Global Secondary Indexes".

const (
	writeUnit = 1 << 10 // bytes that one write unit pays for
	readUnit  = 4 << 10 // bytes that one strong read unit pays for
)

// ItemSize is the size of an item by DynamoDB's rules: the bytes of all names
// and values, the key included.
func ItemSize(item Item) int {
	size := KeySize(item.Key)
	for name, value := range item.Attributes {
		size += AttributeSize(name, value)
	}
	return size
}

// KeySize is what the key adds to an item's size.
func KeySize(key Key) int { return len("pk") + len(key.PK) + len("sk") + len(key.SK) }

// AttributeSize is what one attribute adds to an item's size: its name, and
// the bytes of a string or, for a number, one byte per two significant digits
// and one more, and one for a sign.
func AttributeSize(name string, value Value) int {
	if value.isText {
		return len(name) + len(value.text)
	}
	n := value.number
	if n == 0 {
		return len(name) + 1
	}
	size := 1
	if n < 0 {
		size++
	}
	for n%10 == 0 {
		n /= 10
	}
	digits := 0
	for ; n != 0; n /= 10 {
		digits++
	}
	return len(name) + size + (digits+1)/2
}

// ReadUnits is the price of size bytes that were read in one go: an item of a
// Get, or all items of a page. An item that is not there is paid for like the
// smallest item.
func ReadUnits(consistency Consistency, size int) float64 {
	units := float64(started(size, readUnit))
	if consistency == Eventual {
		return units / 2
	}
	return units
}

// IsTransaction tells whether a Write is a transaction, whose actions cost
// twice as much. A check on its own is one too: DynamoDB knows it in no other
// form.
func IsTransaction(actions []Action) bool {
	return len(actions) > 1 || len(actions) == 1 && actions[0].Op == OpCheck
}

// WriteUnits is what one action costs on the table itself: the larger of the
// item's sizes before and after, 0 bytes for an item that is not there.
func WriteUnits(transaction bool, before, after int) float64 {
	units := float64(started(max(before, after), writeUnit))
	if transaction {
		return 2 * units
	}
	return units
}

// IndexUnits is what one action costs on one index, never doubled by a
// transaction. before and after are the sizes of the item's entry, 0 where it
// has none; moved says that the entry's key in the index changed, changed that
// anything it projects did.
func IndexUnits(before, after int, moved, changed bool) float64 {
	switch {
	case before == 0 && after == 0:
		return 0
	case before == 0:
		return float64(started(after, writeUnit))
	case after == 0:
		return float64(started(before, writeUnit))
	case moved:
		return float64(started(before, writeUnit) + started(after, writeUnit))
	case changed:
		return float64(started(max(before, after), writeUnit))
	}
	return 0
}

// RefusedUnits is what a Write costs that a condition refused. DynamoDB bills
// it by the larger of the item that is there and the one that was to be, and
// does not report it; so both engines reckon it from what the caller knows:
// the actions, and the items that refused.
func RefusedUnits(actions []Action, refusal *ConditionError) float64 {
	units := 0.0
	for i := range actions {
		before := 0
		if failure := refusal.FailedAt(i); failure != nil && failure.Old != nil {
			before = ItemSize(*failure.Old)
		}
		units += WriteUnits(IsTransaction(actions), before, actions[i].size())
	}
	return units
}

// size is how many bytes of item the action itself brings along.
func (a *Action) size() int {
	size := ItemSize(a.Item)
	for _, change := range a.Changes {
		if change.Op != ChangeRemove {
			size += AttributeSize(change.Name, change.Value)
		}
	}
	return size
}

func started(size, unit int) int { return max(1, (size+unit-1)/unit) }

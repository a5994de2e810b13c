package embedded

import (
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// holds judges one condition by DynamoDB's rules: a comparison with an absent
// attribute or with one of the other type does not hold.
func holds(r *row, condition *table.Condition) bool {
	switch condition.Test {
	case table.TestExists:
		return r != nil
	case table.TestAbsent:
		return r == nil
	}
	var value table.Value
	has := false
	if r != nil {
		value, has = r.lookup(condition.Name)
	}
	switch condition.Test {
	case table.TestEquals:
		return has && value == condition.Value
	case table.TestMissing:
		return !has
	case table.TestAtLeast:
		return has && !value.IsString() && value.Int() >= condition.Value.Int()
	case table.TestAtMost:
		return has && atMost(value, condition.Value)
	case table.TestMissingOrEquals:
		return !has || value == condition.Value
	case table.TestMissingOrAtMost:
		return !has || atMost(value, condition.Value)
	}
	return false
}

func atMost(value, bound table.Value) bool {
	switch {
	case value.IsString() != bound.IsString():
		return false
	case value.IsString():
		return value.Text() <= bound.Text()
	}
	return value.Int() <= bound.Int()
}

// changed is the row after an update, or why DynamoDB would refuse it.
func changed(before *row, key table.Key, changes []table.Change) (*row, error) {
	var scratch [24]attribute
	attributes := scratch[:0]
	if before != nil {
		for body := before.body(); body != ""; {
			var a attribute
			a, body = next(body)
			attributes = append(attributes, a)
		}
	}
	for i := range changes {
		change := &changes[i]
		at, has := slices.BinarySearchFunc(attributes, change.Name, func(a attribute, name string) int { return strings.Compare(a.name, name) })
		value := change.Value
		switch change.Op {
		case table.ChangeRemove:
			if has {
				attributes = slices.Delete(attributes, at, at+1)
			}
			continue
		case table.ChangeSetIfMissing:
			if has {
				continue
			}
		case table.ChangeAdd:
			if has {
				sum, err := add(attributes[at].value, change.Value.Int())
				if err != nil {
					return nil, err
				}
				value = sum
			}
		}
		if has {
			attributes[at].value = value
		} else {
			attributes = slices.Insert(attributes, at, attribute{change.Name, value})
		}
	}
	after := newRow(key, attributes)
	if after.size > table.MaxItemSize {
		return nil, table.ItemTooLarge()
	}
	return after, nil
}

// add refuses to leave int64. DynamoDB would go on to 38 digits and this
// package's reader would fail on them: a counter near 9.2e18 is a bug.
func add(value table.Value, n int64) (table.Value, error) {
	if value.IsString() {
		return value, table.NotANumber()
	}
	sum := value.Int() + n
	if (sum > value.Int()) != (n > 0) && n != 0 {
		return value, loyalty.Refuse(loyalty.KindInvalid, "number_out_of_range", "the sum does not fit in 64 bits")
	}
	return table.Number(sum), nil
}

package table

import (
	"fmt"
	"unicode/utf8"
)

// DynamoDB's limits, as far as a caller of this package can meet them.
// Source: Amazon DynamoDB Developer Guide, "Quotas" and "Constraints"; the
// numbers of changes and conditions are ours and keep every expression that
// dynamo renders under DynamoDB's 4 KB.
const (
	MaxActions    = 100
	MaxKeys       = 100
	MaxItemSize   = 400 << 10 // bytes, see ItemSize
	MaxWriteSize  = 4 << 20   // bytes, all actions of a Write together
	MaxPageSize   = 1 << 20   // bytes, all items of a Page together
	MaxLimit      = 1000
	MaxSegments   = 1_000_000
	MaxPK         = 2048
	MaxSK         = 1024
	MaxName       = 255
	MaxChanges    = 100
	MaxConditions = 60
)

// Validate refuses, with a KindInvalid error, what DynamoDB would refuse
// without looking at an item. Engines call it before anything else; what it
// refuses costs no round trip. The codes: no_actions, too_many_actions,
// invalid_action, duplicate_key, empty_key, key_too_long, invalid_text,
// invalid_attribute, reserved_attribute, invalid_index_key, attribute_twice,
// invalid_change, invalid_condition, too_many_changes, too_many_conditions,
// item_too_large, write_too_large. The text names the action by its position
// and the attribute by its name, never a value.
func Validate(actions []Action) error {
	switch {
	case len(actions) == 0:
		return invalid("no_actions", "a write has at least one action")
	case len(actions) > MaxActions:
		return invalid("too_many_actions", fmt.Sprintf("a write has at most %d actions", MaxActions))
	}
	size := 0
	for i := range actions {
		bytes, code, detail := actions[i].validate()
		if code != "" {
			return invalid(code, fmt.Sprintf("action %d: %s", i, detail))
		}
		size += bytes
	}
	if i := firstDuplicate(len(actions), func(i int) Key { return actions[i].Item.Key }); i >= 0 {
		return invalid("duplicate_key", fmt.Sprintf("action %d: the key was named before; a write names an item once", i))
	}
	if size > MaxWriteSize {
		return invalid("write_too_large", "the actions of a write are over 4 MB together")
	}
	return nil
}

// ValidateKeys refuses a Get that DynamoDB would refuse: too_many_keys,
// duplicate_key, empty_key, key_too_long, invalid_text. No key at all is
// allowed and costs nothing.
func ValidateKeys(keys []Key) error {
	if len(keys) > MaxKeys {
		return invalid("too_many_keys", fmt.Sprintf("a get reads at most %d keys", MaxKeys))
	}
	for i, key := range keys {
		if code, detail := key.validate(); code != "" {
			return invalid(code, fmt.Sprintf("key %d: %s", i, detail))
		}
	}
	if i := firstDuplicate(len(keys), func(i int) Key { return keys[i] }); i >= 0 {
		return invalid("duplicate_key", fmt.Sprintf("key %d was named before", i))
	}
	return nil
}

// Validate refuses a query that DynamoDB would refuse: invalid_query,
// strong_index_read, empty_key, key_too_long, invalid_text.
func (q Query) Validate() error {
	if _, ok := FindIndex(q.Index); q.Index != "" && !ok {
		return invalid("invalid_query", "no index of that name")
	}
	switch {
	case q.Limit < 1 || q.Limit > MaxLimit:
		return invalid("invalid_query", fmt.Sprintf("the limit is 1 to %d", MaxLimit))
	case q.Index != "" && q.Consistency == Strong:
		return invalid("strong_index_read", "an index can only be read eventually consistent")
	case q.Prefix != "" && (q.From != "" || q.To != ""):
		return invalid("invalid_query", "a prefix excludes bounds")
	case q.From != "" && q.To != "" && q.From > q.To:
		return invalid("invalid_query", "the lower bound is above the upper bound")
	case q.PK == "":
		return invalid("empty_key", "the partition key is empty")
	case len(q.PK) > MaxPK:
		return invalid("key_too_long", "the partition key is over 2,048 bytes")
	case len(q.Prefix) > MaxSK || len(q.From) > MaxSK || len(q.To) > MaxSK:
		return invalid("key_too_long", "a bound of the sort key is over 1,024 bytes")
	case !utf8.ValidString(q.PK) || !utf8.ValidString(q.Prefix) || !utf8.ValidString(q.From) || !utf8.ValidString(q.To):
		return invalid("invalid_text", "a key is not UTF-8")
	}
	return nil
}

// Validate refuses a scan that DynamoDB would refuse: invalid_scan.
func (s Scan) Validate() error {
	switch {
	case s.Limit < 1 || s.Limit > MaxLimit:
		return invalid("invalid_scan", fmt.Sprintf("the limit is 1 to %d", MaxLimit))
	case s.Segments < 1 || s.Segments > MaxSegments:
		return invalid("invalid_scan", fmt.Sprintf("the number of segments is 1 to %d", MaxSegments))
	case s.Segment < 0 || s.Segment >= s.Segments:
		return invalid("invalid_scan", "the segment is not one of the segments")
	}
	return nil
}

// FindIndex finds a declared index by its name.
func FindIndex(name string) (Index, bool) {
	for _, index := range Indexes {
		if index.Name == name {
			return index, true
		}
	}
	return Index{}, false
}

// firstDuplicate is the position of the first key that stood before, -1 if
// there is none. Nearly every write has a handful of keys: for those it does
// without a map.
func firstDuplicate(n int, key func(int) Key) int {
	if n <= 8 {
		for i := 1; i < n; i++ {
			for j := range i {
				if key(i) == key(j) {
					return i
				}
			}
		}
		return -1
	}
	seen := make(map[Key]struct{}, n)
	for i := range n {
		if _, twice := seen[key(i)]; twice {
			return i
		}
		seen[key(i)] = struct{}{}
	}
	return -1
}

// validate returns the size that counts towards MaxWriteSize, or why not.
func (a *Action) validate() (size int, code, detail string) {
	key := a.Item.Key
	if code, detail := key.validate(); code != "" {
		return 0, code, detail
	}
	switch a.Op {
	case OpPut:
		for name, value := range a.Item.Attributes {
			if code, detail := validateAttribute(name, value); code != "" {
				return 0, code, detail
			}
		}
	case OpUpdate:
		if code, detail := validateChanges(a.Changes); code != "" {
			return 0, code, detail
		}
	case OpDelete:
	case OpCheck:
		if len(a.If) == 0 {
			return 0, "invalid_action", "a check has at least one condition"
		}
	default:
		return 0, "invalid_action", "unknown operation"
	}
	if a.Op != OpPut && len(a.Item.Attributes) > 0 {
		return 0, "invalid_action", "only a put carries attributes"
	}
	if a.Op != OpUpdate && len(a.Changes) > 0 {
		return 0, "invalid_action", "only an update carries changes"
	}
	if len(a.If) > MaxConditions {
		return 0, "too_many_conditions", fmt.Sprintf("an action has at most %d conditions", MaxConditions)
	}
	for i := range a.If {
		if code, detail := a.If[i].validate(); code != "" {
			return 0, code, detail
		}
	}
	size = a.size()
	if size > MaxItemSize {
		return 0, "item_too_large", "the item is over 400 KB"
	}
	return size, "", ""
}

func (k Key) validate() (code, detail string) {
	switch {
	case k.PK == "":
		return "empty_key", "the partition key is empty"
	case k.SK == "":
		return "empty_key", "the sort key is empty"
	case len(k.PK) > MaxPK:
		return "key_too_long", "the partition key is over 2,048 bytes"
	case len(k.SK) > MaxSK:
		return "key_too_long", "the sort key is over 1,024 bytes"
	case !utf8.ValidString(k.PK) || !utf8.ValidString(k.SK):
		return "invalid_text", "a key is not UTF-8"
	}
	return "", ""
}

func validateName(name string) (code, detail string) {
	switch {
	case name == "":
		return "invalid_attribute", "an attribute has no name"
	case name == "pk" || name == "sk":
		return "reserved_attribute", `"pk" and "sk" are the key and cannot be attributes`
	case len(name) > MaxName:
		return "invalid_attribute", fmt.Sprintf("an attribute's name is over %d bytes", MaxName)
	case !utf8.ValidString(name):
		return "invalid_text", "an attribute's name is not UTF-8"
	}
	return "", ""
}

func validateAttribute(name string, value Value) (code, detail string) {
	if code, detail := validateName(name); code != "" {
		return code, detail
	}
	if value.isText && !utf8.ValidString(value.text) {
		return "invalid_text", fmt.Sprintf("attribute %q is not UTF-8", name)
	}
	for _, index := range Indexes {
		longest := 0
		switch name {
		case index.PK:
			longest = MaxPK
		case index.SK:
			longest = MaxSK
		default:
			continue
		}
		switch {
		case !value.isText || value.text == "":
			return "invalid_index_key", fmt.Sprintf("attribute %q is the key of an index and must be a string that is not empty", name)
		case len(value.text) > longest:
			return "invalid_index_key", fmt.Sprintf("attribute %q is the key of an index and over %d bytes", name, longest)
		}
	}
	return "", ""
}

func validateChanges(changes []Change) (code, detail string) {
	switch {
	case len(changes) == 0:
		return "invalid_action", "an update has at least one change"
	case len(changes) > MaxChanges:
		return "too_many_changes", fmt.Sprintf("an update has at most %d changes", MaxChanges)
	}
	for i, change := range changes {
		switch change.Op {
		case ChangeSet, ChangeSetIfMissing:
			code, detail = validateAttribute(change.Name, change.Value)
		case ChangeAdd:
			if change.Value.isText {
				return "invalid_change", "only a number can be added"
			}
			code, detail = validateAttribute(change.Name, change.Value)
		case ChangeRemove:
			code, detail = validateName(change.Name)
		default:
			return "invalid_change", "unknown change"
		}
		if code != "" {
			return code, detail
		}
		for j := range i {
			if changes[j].Name == change.Name {
				return "attribute_twice", fmt.Sprintf("attribute %q is changed twice", change.Name)
			}
		}
	}
	return "", ""
}

func (c *Condition) validate() (code, detail string) {
	switch c.Test {
	case TestExists, TestAbsent:
		if c.Name != "" {
			return "invalid_condition", "a condition on the item names no attribute"
		}
		return "", ""
	case TestAtLeast, TestAtMost:
		if c.Value.isText {
			return "invalid_condition", "the bound is not a number"
		}
	case TestEquals, TestMissing, TestMissingOrEquals, TestMissingOrAtMost:
	default:
		return "invalid_condition", "unknown test"
	}
	if code, detail := validateName(c.Name); code != "" {
		return code, detail
	}
	if !utf8.ValidString(c.Value.text) {
		return "invalid_text", fmt.Sprintf("the value that %q is compared with is not UTF-8", c.Name)
	}
	return "", ""
}

package embedded

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/huitou/huitou/shared/table"
)

// row is an item as the engine keeps it, in memory and in the log: one string
// that holds the partition key, the sort key and the attributes in the order
// of their names. A row never changes; a write replaces it. Reading a row
// allocates nothing but the map that the caller gets: its strings are parts of
// the row's.
type row struct {
	data  string
	size  uint32 // by DynamoDB's rules, see table.ItemSize
	hash  uint32 // of the partition key: the order of the tree, and so of a scan
	pkLen uint16
	skLen uint16
}

func (r *row) pk() string     { return r.data[:r.pkLen] }
func (r *row) sk() string     { return r.data[r.pkLen : int(r.pkLen)+int(r.skLen)] }
func (r *row) body() string   { return r.data[int(r.pkLen)+int(r.skLen):] }
func (r *row) key() table.Key { return table.Key{PK: r.pk(), SK: r.sk()} }

// attribute is one of a row's, decoded.
type attribute struct {
	name  string
	value table.Value
}

// The tags of an encoded attribute: name length, name, tag, then the length
// and the bytes of a string, or a number as a signed varint.
const (
	tagText   = 's'
	tagNumber = 'n'
)

func newRow(key table.Key, attributes []attribute) *row {
	var scratch [1024]byte
	data := append(append(scratch[:0], key.PK...), key.SK...)
	size := table.KeySize(key)
	for _, a := range attributes {
		size += table.AttributeSize(a.name, a.value)
		data = binary.AppendUvarint(data, uint64(len(a.name)))
		data = append(data, a.name...)
		if a.value.IsString() {
			data = append(data, tagText)
			data = binary.AppendUvarint(data, uint64(len(a.value.Text())))
			data = append(data, a.value.Text()...)
		} else {
			data = append(data, tagNumber)
			data = binary.AppendVarint(data, a.value.Int())
		}
	}
	return &row{data: string(data), size: uint32(size), hash: hash(key.PK), pkLen: uint16(len(key.PK)), skLen: uint16(len(key.SK))}
}

func rowOf(item table.Item) *row {
	var scratch [16]attribute
	attributes := scratch[:0]
	for name, value := range item.Attributes {
		attributes = append(attributes, attribute{name, value})
	}
	slices.SortFunc(attributes, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return newRow(item.Key, attributes)
}

// pivot is a row to compare with: it has a key and nothing else.
func pivot(pk, sk string) *row {
	return &row{data: pk + sk, hash: hash(pk), pkLen: uint16(len(pk)), skLen: uint16(len(sk))}
}

// next takes one attribute off an encoded body. Bodies come from newRow or
// went through a checksum and decodable, so their lengths are right.
func next(body string) (attribute, string) {
	length, n := uvarint(body)
	name := body[n : n+length]
	tag := body[n+length]
	body = body[n+length+1:]
	if tag == tagText {
		length, n := uvarint(body)
		return attribute{name, table.String(body[n : n+length])}, body[n+length:]
	}
	number, n := uvarint(body)
	signed := int64(uint64(number) >> 1)
	if uint64(number)&1 != 0 {
		signed = ^signed
	}
	return attribute{name, table.Number(signed)}, body[n:]
}

// decodable tells whether next can walk the whole body and gives the size
// that its attributes add to the item.
func decodable(body string) (size int, ok bool) {
	previous := ""
	for first := true; body != ""; first = false {
		length, n := uvarint(body)
		if n == 0 || length < 0 || length >= len(body)-n {
			return 0, false
		}
		name, tag := body[n:n+length], body[n+length]
		if !first && name <= previous {
			return 0, false
		}
		previous = name
		rest := body[n+length+1:]
		length, n = uvarint(rest)
		if n == 0 || tag != tagText && tag != tagNumber || tag == tagText && (length < 0 || length > len(rest)-n) {
			return 0, false
		}
		a, after := next(body)
		size += table.AttributeSize(a.name, a.value)
		body = after
	}
	return size, true
}

// uvarint is binary.Uvarint on a string; n is 0 where there is none.
func uvarint(text string) (value, n int) {
	var bits uint64
	for i := 0; i < len(text) && i < binary.MaxVarintLen64; i++ {
		bits |= uint64(text[i]&0x7f) << (7 * i)
		if text[i] < 0x80 {
			return int(bits), i + 1
		}
	}
	return 0, 0
}

func (r *row) lookup(name string) (table.Value, bool) {
	for body := r.body(); body != ""; {
		var a attribute
		if a, body = next(body); a.name == name {
			return a.value, true
		}
	}
	return table.Value{}, false
}

func (r *row) item() table.Item {
	item := table.Item{Key: r.key()}
	body := r.body()
	count := 0
	for rest := body; rest != ""; count++ {
		_, rest = next(rest)
	}
	item.Attributes = make(map[string]table.Value, count)
	for body != "" {
		var a attribute
		a, body = next(body)
		item.Attributes[a.name] = a.value
	}
	return item
}

// compareRows orders rows by the hash of the partition key, the partition key
// and the sort key: partitions stay whole and sorted, and a scan's segment is
// one range of hashes.
func compareRows(a, b *row) int {
	switch {
	case a.hash < b.hash:
		return -1
	case a.hash > b.hash:
		return 1
	}
	if order := strings.Compare(a.pk(), b.pk()); order != 0 {
		return order
	}
	return strings.Compare(a.sk(), b.sk())
}

// hash spreads partition keys evenly over 32 bits (FNV-1a and the finisher of
// MurmurHash3). Cursors outlive the process, so it may never change.
func hash(pk string) uint32 {
	h := uint32(2166136261)
	for i := range len(pk) {
		h = (h ^ uint32(pk[i])) * 16777619
	}
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// entry is a row's place in an index.
type entry struct {
	pk, sk string // of the index
	row    *row
}

func compareEntries(a, b entry) int {
	if order := strings.Compare(a.pk, b.pk); order != 0 {
		return order
	}
	if order := strings.Compare(a.sk, b.sk); order != 0 {
		return order
	}
	if order := strings.Compare(a.row.pk(), b.row.pk()); order != 0 {
		return order
	}
	return strings.Compare(a.row.sk(), b.row.sk())
}

// entryOf is the row's entry in the index, if it has both of its attributes.
func entryOf(index *table.Index, r *row) (entry, bool) {
	if r == nil {
		return entry{}, false
	}
	found := entry{row: r}
	for body := r.body(); body != ""; {
		var a attribute
		a, body = next(body)
		switch a.name {
		case index.PK:
			found.pk = a.value.Text()
		case index.SK:
			found.sk = a.value.Text()
		}
	}
	return found, found.pk != "" && found.sk != ""
}

// entrySize is the size of the part of the row that the index projects.
func (e entry) size(index *table.Index) int {
	if !index.KeysOnly {
		return int(e.row.size)
	}
	return table.KeySize(e.row.key()) + len(index.PK) + len(e.pk) + len(index.SK) + len(e.sk)
}

func (e entry) item(index *table.Index) table.Item {
	if !index.KeysOnly {
		return e.row.item()
	}
	return table.Item{Key: e.row.key(), Attributes: map[string]table.Value{
		index.PK: table.String(e.pk), index.SK: table.String(e.sk),
	}}
}

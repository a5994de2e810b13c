// Package export reads the order files (订单导出) that sellers download from
// Tmall and Douyin, and makes of each order the canonical events that its
// present state amounts to. Reading the same file again, or a later one of the
// same orders, gives the same events and those that have been added.
package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// currency of every amount: both platforms' files are in yuan.
const currency = "CNY"

// Row is one record of a file.
type Row struct {
	Line  int // on which it begins; the first is 1
	Cells []string
}

// Rows is a file of records, the first of which holds the names of the
// columns: CSV here, a spreadsheet elsewhere.
type Rows interface {
	// Next gives the next row, io.EOF at the end, a *BadRow for one that
	// cannot be read and another error where reading cannot go on.
	Next() (Row, error)
}

// BadRow is a record that could not be read.
type BadRow struct {
	Line   int
	Reason string
}

func (b *BadRow) Error() string { return fmt.Sprintf("line %d: %s", b.Line, b.Reason) }

// File is one file of an export.
type File struct {
	Name string
	Rows Rows
}

// Refusal names something in a file that was not taken. It never repeats what
// the file says there, except for amounts and for words of a state that are not
// known.
type Refusal struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
}

// Error is "file:line: column: reason".
func (r Refusal) Error() string {
	if r.Column == "" {
		return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Reason)
	}
	return fmt.Sprintf("%s:%d: %s: %s", r.File, r.Line, r.Column, r.Reason)
}

// Unpaid is an order that stands in the file and was never paid (未付款). It has
// no events.
type Unpaid struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	OrderID string `json:"order_id"`
}

// Order is one paid order.
type Order struct {
	File    string
	Line    int // on which the order stands
	OrderID string
	// Lines, Paid and Refunded are what the events add up to: lines of the
	// order, fen paid for goods, fen of that given back.
	Lines    int
	Paid     loyalty.Fen
	Refunded loyalty.Fen

	channel loyalty.Channel
	shop    string
	found   *found
}

// Result is what an export holds.
type Result struct {
	Orders  []Order // as they stand in the file
	Unpaid  []Unpaid
	Refused []Refusal // rows and orders, in the order in which they were met
}

// found collects the lines of one order while the files are read.
type found struct {
	file      string
	line      int
	id        string
	buyer     orders.Buyer
	paidAt    time.Time // zero for an order that was never paid
	completed time.Time // zero while the customer has not confirmed
	paid      loyalty.Fen
	shipping  loyalty.Fen
	lines     []foundLine
	damaged   bool // a part of it was refused, so all of it is
	noAmount  bool // the file does not say what was paid for all of it
}

type foundLine struct {
	file     string
	line     int
	id       string
	sku      string
	quantity int64
	paid     loyalty.Fen
	noAmount bool        // the cell of what was paid is empty
	shipping loyalty.Fen // where the file has it by line
	refunded loyalty.Fen
}

// put adds a line. One that is there already is the same line of a later file.
func (f *found) put(line foundLine) {
	if i := slices.IndexFunc(f.lines, func(known foundLine) bool { return known.id == line.id }); i >= 0 {
		f.lines[i] = line
		return
	}
	f.lines = append(f.lines, line)
}

// book is all orders of an export by their id, in the order of the files.
type book struct {
	channel loyalty.Channel
	shop    string
	orders  map[string]*found
	ids     []string
	result  Result
	// incomplete are the orders that a row of too many or too few cells seems to
	// belong to.
	incomplete map[string]bool
	// numbers are the rows whose order number a spreadsheet would have rounded,
	// zeros those that look as if one had.
	numbers, zeros int
}

func newBook(channel loyalty.Channel, shop string) *book {
	return &book{channel: channel, shop: shop, orders: map[string]*found{}, incomplete: map[string]bool{}}
}

func (b *book) order(id string) *found {
	if known, ok := b.orders[id]; ok {
		return known
	}
	fresh := &found{id: id}
	b.orders[id] = fresh
	b.ids = append(b.ids, id)
	return fresh
}

func (b *book) refuse(file string, line int, column, reason string) {
	b.result.Refused = append(b.result.Refused, Refusal{File: file, Line: line, Column: column, Reason: reason})
}

// number reads the column that names the order of a row.
func (b *book) number(row record, column string) (string, error) {
	id, err := row.id(column)
	if err == nil && isBareNumber(row.raw(column)) {
		b.numbers++
		if endsInZeros(id) {
			b.zeros++
		}
	}
	return id, err
}

// leftOut is why an order that was read must not be sent; "" where nothing
// stands against it.
func (b *book) leftOut(order *found) string {
	switch {
	case order.damaged, b.incomplete[order.id]:
		return "the order is left out because a row of it was refused"
	case b.zeros > 1 && b.zeros == b.numbers:
		return "every order number ends in zeros behind its 15th digit: " + roundedReason
	}
	return ""
}

// refund is what of a line that cost so much was given back: by the word of its
// state and the amount beside it, which is "" where the file has none.
func (v vocabulary) refund(paid loyalty.Fen, column, word, amountColumn, amount string) (loyalty.Fen, error) {
	said, err := v.of(column, word)
	switch {
	case err != nil || said == notRefunded:
		return 0, err
	case amount == "" && said == refundedAmount:
		return 0, &refusal{column, fmt.Sprintf("says %s, and %s, which has to say how much, is empty or not in the file", shown(word), amountColumn)}
	case amount == "":
		return paid, nil
	}
	back, err := parseMoney(amountColumn, amount)
	switch {
	case err != nil:
		return 0, err
	case said == refundedWhole && back < paid, said != refundedAmount && back == 0 && paid > 0:
		return 0, &refusal{amountColumn, fmt.Sprintf("is %s of %s, and %s says %s", yuan(back), yuan(paid), column, shown(word))}
	}
	return back, nil
}

// close adds up an order that has been read whole, and refuses it where its
// events would not be taken.
func (b *book) close(order *found, now time.Time) {
	made := Order{File: order.file, Line: order.line, OrderID: order.id, Lines: len(order.lines), channel: b.channel, shop: b.shop, found: order}
	for _, line := range order.lines {
		made.Paid += line.paid
		made.Refunded += line.back()
	}
	for _, event := range made.Events() {
		if err := event.Validate(now); err != nil {
			b.refuse(order.file, order.line, "", "the order is not valid: "+fieldsOf(err))
			return
		}
	}
	b.result.Orders = append(b.result.Orders, made)
}

// Events are what happened to the order, to be sent in this sequence: paid,
// then what followed it. They are made anew by each call, because the events
// of a large export would not fit into memory.
func (o Order) Events() []orders.Event {
	event := orders.Event{
		Type: orders.TypePaid, Channel: o.channel, Shop: o.shop, OrderID: o.OrderID, OccurredAt: o.found.paidAt,
		Currency: currency, Buyer: o.found.buyer, Shipping: o.found.shipping,
	}
	var paid, refunded []orders.Line
	for _, line := range o.found.lines {
		paid = append(paid, orders.Line{LineID: line.id, SKU: line.sku, Quantity: line.quantity, Paid: line.paid})
		if back := line.back(); back > 0 {
			refunded = append(refunded, orders.Line{LineID: line.id, RefundedTotal: back})
		}
	}
	made := orders.Split(event, paid)
	event.Shipping = 0
	if !o.found.completed.IsZero() {
		event.Type, event.OccurredAt = orders.TypeCompleted, o.found.completed
		made = append(made, event)
	}
	if len(refunded) > 0 {
		// The files do not say when; the last time they know is as good as any,
		// and the same in every import.
		event.Type = orders.TypeRefunded
		made = append(made, orders.Split(event, refunded)...)
	}
	return made
}

// back is what was given back of a line; beyond what the goods cost it was
// shipping or goodwill.
func (l foundLine) back() loyalty.Fen { return min(l.refunded, l.paid) }

func fieldsOf(err error) string {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok {
		return "unknown"
	}
	var told []string
	for _, field := range refusal.Fields {
		told = append(told, field.Pointer+" "+field.Code)
	}
	return strings.Join(told, ", ")
}

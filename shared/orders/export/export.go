// Package export reads the order files (订单导出) that sellers download from
// Tmall and Douyin, and makes of each order the canonical events that its
// present state amounts to. Reading the same file again, or a later one of the
// same orders, gives the same events and those that have been added.
package export

import (
	"errors"
	"fmt"
	"io"
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
// the file says there, except for amounts.
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
}

type foundLine struct {
	file     string
	line     int
	id       string
	sku      string
	quantity int64
	paid     loyalty.Fen
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
}

func newBook(channel loyalty.Channel, shop string) *book {
	return &book{channel: channel, shop: shop, orders: map[string]*found{}}
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

// columns finds cells by the trimmed name of their column.
type columns struct {
	width int
	at    map[string]int
}

// readHeader reads the first row of a file and asks for the columns without
// which it is of no use. Everything that is wrong with it ends the import: a
// file of another kind has no good rest.
func readHeader(file File) (columns, error) {
	row, err := file.Rows.Next()
	if bad, ok := errors.AsType[*BadRow](err); ok {
		return columns{}, Refusal{File: file.Name, Line: bad.Line, Reason: bad.Reason}
	}
	if errors.Is(err, io.EOF) {
		return columns{}, Refusal{File: file.Name, Line: 1, Reason: "the file is empty"}
	}
	if err != nil {
		return columns{}, Refusal{File: file.Name, Line: 1, Reason: "the file cannot be read: " + err.Error()}
	}
	header := columns{width: len(row.Cells), at: map[string]int{}}
	for i, cell := range row.Cells {
		name := Clean(cell)
		if name == "" {
			continue
		}
		if _, twice := header.at[name]; twice {
			return columns{}, Refusal{File: file.Name, Line: row.Line, Column: name, Reason: "the column stands twice in the header"}
		}
		header.at[name] = i
	}
	return header, nil
}

func (c columns) has(name string) bool { _, ok := c.at[name]; return ok }

// lacking are the wanted columns that are not there.
func (c columns) lacking(wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), c.has)
}

// record is one row with its columns' names.
type record struct {
	file    string
	line    int
	columns columns
	cells   []string
}

// kept is a cell that outlives its row. Without the copy it would keep the
// whole row in memory.
func (r record) kept(column string) string { return strings.Clone(r.cell(column)) }

// cell is the cleaned content of a column, "" where it is not in the file.
func (r record) cell(column string) string {
	i, ok := r.columns.at[column]
	if !ok {
		return ""
	}
	return Clean(r.cells[i])
}

// refusal is a fault in one column.
type refusal struct{ column, reason string }

func (r *refusal) Error() string { return r.column + ": " + r.reason }

func (r record) id(column string) (string, error) {
	id := r.kept(column)
	switch {
	case id == "":
		return "", &refusal{column, "is empty"}
	case IsRounded(id):
		return "", &refusal{column, "a spreadsheet has rounded the number (E+); export the file again and do not save it"}
	case len(id) > orders.MaxIDBytes:
		return "", &refusal{column, "is too long"}
	}
	return id, nil
}

// IsRounded recognises "2.78339842872044E+18", which a spreadsheet makes of an
// order number; its last digits are lost.
func IsRounded(id string) bool {
	mantissa, exponent, found := strings.Cut(strings.ToUpper(id), "E+")
	return found && exponent != "" && strings.Trim(mantissa+exponent, "0123456789.") == ""
}

// money is an amount; an empty cell is 0 only where a column is optional.
func (r record) money(column string) (loyalty.Fen, error) {
	amount, err := orders.ParseYuan(r.cell(column))
	if err != nil {
		return 0, &refusal{column, "is not an amount like 323.58"}
	}
	return amount, nil
}

func (r record) optionalMoney(column string) (loyalty.Fen, error) {
	if r.cell(column) == "" {
		return 0, nil
	}
	return r.money(column)
}

func (r record) optionalTime(column string) (time.Time, error) {
	text := r.cell(column)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := orders.ParseLocalTime(text)
	if err != nil {
		return time.Time{}, &refusal{column, "is not a time like 2026-11-02 09:00:21"}
	}
	return at, nil
}

// each gives every row behind the header to read, and refuses the rows that
// are damaged or that read refuses.
func (b *book) each(file File, header columns, read func(record) error) error {
	for {
		row, err := file.Rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if bad, ok := errors.AsType[*BadRow](err); ok {
			b.refuse(file.Name, bad.Line, "", bad.Reason)
			continue
		}
		if err != nil {
			return Refusal{File: file.Name, Line: row.Line, Reason: "the file cannot be read on: " + err.Error()}
		}
		if len(row.Cells) != header.width {
			b.refuse(file.Name, row.Line, "", fmt.Sprintf("has %d columns and the header %d", len(row.Cells), header.width))
			continue
		}
		if err := read(record{file: file.Name, line: row.Line, columns: header, cells: row.Cells}); err != nil {
			column, reason := "", err.Error()
			if fault, ok := errors.AsType[*refusal](err); ok {
				column, reason = fault.column, fault.reason
			}
			b.refuse(file.Name, row.Line, column, reason)
		}
	}
}

// Clean takes from a cell what keeps spreadsheets from touching it: blanks and
// tabs around it, ="…", a leading quote mark. "-" stands for nothing.
func Clean(cell string) string {
	cell = strings.TrimSpace(cell)
	if inner, found := strings.CutPrefix(cell, `="`); found && strings.HasSuffix(inner, `"`) {
		cell = strings.TrimSuffix(inner, `"`)
	}
	cell = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(cell), "'"))
	if cell == "-" {
		return ""
	}
	return cell
}

// buyerOf is who ordered, as far as the file tells: masked names and
// ciphertext are nobody, and of a masked phone the last four digits remain.
func buyerOf(name, phone string) orders.Buyer {
	var buyer orders.Buyer
	if !orders.IsMasked(name) {
		buyer.ID = name
	}
	switch {
	case orders.IsMasked(phone):
		buyer.PhoneLast4 = orders.VisibleLast4(phone)
	case len(phone) == 11 && phone[0] == '1' && phone[1] >= '3' && strings.Trim(phone, "0123456789") == "":
		buyer.Phone = orders.Phone(phone)
	}
	return buyer
}

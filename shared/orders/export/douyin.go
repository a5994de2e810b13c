package export

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/orders"
)

// The columns without which a Douyin file cannot be used.
var (
	douyinColumns = []string{"主订单编号", "子订单编号", "商品数量", "订单应付金额", "订单状态", "售后状态"}
	douyinMore    = []string{"商家编码", "运费", "收件人手机号", "订单提交时间", "支付完成时间", "订单完成时间", "退款金额"}
	douyinNames   = spellings{
		"主订单号": "主订单编号", "子订单号": "子订单编号", "支付时间": "支付完成时间", "付款时间": "支付完成时间", "收件人手机": "收件人手机号",
		"售后退款金额": "退款金额", "实际退款金额": "退款金额", "已退款金额": "退款金额",
	}
	douyinWords = map[string]vocabulary{"订单状态": douyinOrders, "售后状态": douyinRefunds}
)

// Douyin reads an export of Douyin shop (抖店), one row for each line of an
// order. now is the time against which events are validated.
//
// Rules: what a line cost is 订单应付金额 less 运费. Most files have no column for
// the amount of a refund: 售后状态 退款成功 and 已全额退款 give the whole line
// back, 部分退款成功 only what 退款金额 says, and without that column the row is
// refused. It is paid at 支付完成时间, or at 订单提交时间 where the file has no such
// column. A line is unpaid when 订单状态 says so, and a closed one without a time
// of payment, or, in a file that has no such column, without a refund. Gifts (赠品) are lines of 0 yuan and stay with their
// order. A row that joins several lines with ";" is split where its amounts are
// joined too; where it has one amount it stays one line under the joined id.
// The order is completed at the latest 订单完成时间.
//
// Rows are refused as by Tmall, and an order of which a row is refused is left
// out whole. A row whose order number cannot be read belongs to no order that
// could be named.
//
// It fails with a Refusal where a file cannot be read at all, lacks columns or
// has one twice.
func Douyin(shop string, now time.Time, files ...File) (Result, error) {
	book := newBook("douyin", shop)
	for _, file := range files {
		header, err := readHeader(file, douyinNames)
		if err != nil {
			return Result{}, err
		}
		lacking := header.lacking(douyinColumns)
		if !header.has("支付完成时间") && !header.has("订单提交时间") {
			lacking = append(lacking, "支付完成时间 or 订单提交时间")
		}
		if len(lacking) > 0 {
			return Result{}, Refusal{File: file.Name, Line: 1, Reason: fmt.Sprintf(
				"columns are missing for a Douyin export: %s (expected %s, 订单提交时间; if the names look like nonsense, say --encoding utf-8 or gb18030)",
				strings.Join(lacking, ", "), strings.Join(douyinColumns, ", "),
			)}
		}
		if err := header.once(file, slices.Concat(douyinColumns, douyinMore)); err != nil {
			return Result{}, err
		}
		if err := book.each(file, header, "主订单编号", douyinWords, book.douyinRow); err != nil {
			return Result{}, err
		}
	}
	for _, id := range book.ids {
		book.closeDouyin(book.orders[id], now)
	}
	return book.result, nil
}

func (b *book) douyinRow(row record) error {
	id, err := b.number(row, "主订单编号")
	if err != nil {
		return err
	}
	order := b.order(id)
	if order.line == 0 {
		order.file, order.line = row.file, row.line
	}
	if err := b.readDouyinRow(order, row); err != nil {
		order.damaged = true
		return err
	}
	return nil
}

func (b *book) readDouyinRow(order *found, row record) error {
	buyer, err := row.buyer("", "收件人手机号")
	if err != nil {
		return err
	}
	if order.buyer == (orders.Buyer{}) {
		order.buyer = buyer
	}
	completed, err := row.optionalTime("订单完成时间")
	if err != nil {
		return err
	}
	shipping, err := row.optionalMoney("运费")
	if err != nil {
		return err
	}
	lines, err := row.douyinLines()
	if err != nil {
		return err
	}
	paidAt, err := row.douyinPaidAt(lines)
	if err != nil {
		return err
	}
	if shipping > 0 {
		// With one amount for the row it is the only line there is.
		if lines[0].paid < shipping {
			return &refusal{"运费", "is more than 订单应付金额"}
		}
		lines[0].paid -= shipping
		lines[0].shipping = shipping
	}
	if paidAt.IsZero() && !areGifts(lines) {
		return nil // a line nobody paid for; the order may have others
	}
	for _, line := range lines {
		line.file, line.line = row.file, row.line
		order.put(line)
	}
	if !paidAt.IsZero() && (order.paidAt.IsZero() || paidAt.Before(order.paidAt)) {
		order.paidAt = paidAt
	}
	if completed.After(order.completed) {
		order.completed = completed
	}
	return nil
}

// areGifts is true for lines that cost nothing.
func areGifts(lines []foundLine) bool {
	return !slices.ContainsFunc(lines, func(line foundLine) bool { return line.paid > 0 })
}

// douyinPaidAt is when the lines of a row were paid, zero for lines that were
// not. It refuses a row whose state and time say different things.
func (r record) douyinPaidAt(lines []foundLine) (time.Time, error) {
	said, err := douyinOrders.of("订单状态", r.cell("订单状态"))
	if err != nil {
		return time.Time{}, err
	}
	givenBack := slices.ContainsFunc(lines, func(line foundLine) bool { return line.refunded > 0 })
	if r.columns.has("支付完成时间") {
		at, err := r.optionalTime("支付完成时间")
		switch {
		case err != nil:
			return at, err
		case said == unpaid && !at.IsZero():
			return at, &refusal{"订单状态", "says that the line was not paid, and 支付完成时间 says when it was"}
		case at.IsZero() && (said == paid || givenBack) && !areGifts(lines):
			return at, &refusal{"支付完成时间", "is empty although the line was paid"}
		}
		return at, nil
	}
	if said == unpaid || said == closed && !givenBack {
		return time.Time{}, nil
	}
	at, err := r.optionalTime("订单提交时间")
	if err == nil && at.IsZero() {
		return at, &refusal{"订单提交时间", "is empty"}
	}
	return at, err
}

// douyinLines are the lines of a row: one, or as many as it joins with ";".
func (r record) douyinLines() ([]foundLine, error) {
	joined, err := r.id("子订单编号")
	if err != nil {
		return nil, err
	}
	ids := splitCell(joined)
	sku, err := r.sku("商家编码")
	if err != nil {
		return nil, err
	}
	amounts, quantities, skus := splitCell(r.cell("订单应付金额")), splitCell(r.cell("商品数量")), splitCell(sku)
	if len(amounts) == 1 && len(ids) > 1 {
		ids = []string{strings.Join(ids, ";")}
	}
	if len(amounts) != len(ids) {
		return nil, &refusal{"订单应付金额", "has another number of parts than 子订单编号"}
	}
	states, backs := partsOf(r.cell("售后状态")), partsOf(r.cell("退款金额"))
	switch {
	case len(states) != 1 && len(states) != len(ids):
		return nil, &refusal{"售后状态", "has another number of parts than 子订单编号 and 订单应付金额"}
	case len(backs) != 1 && len(backs) != len(ids), len(ids) > 1 && len(backs) == 1 && backs[0] != "":
		return nil, &refusal{"退款金额", "has another number of parts than 子订单编号"}
	}
	lines := make([]foundLine, len(ids))
	for i, id := range ids {
		line := foundLine{id: id}
		if line.paid, err = parseMoney("订单应付金额", amounts[i]); err != nil {
			return nil, err
		}
		line.refunded, err = douyinRefunds.refund(line.paid, "售后状态", states[min(i, len(states)-1)], "退款金额", backs[min(i, len(backs)-1)])
		if err != nil {
			return nil, err
		}
		parts := quantities
		if len(quantities) == len(ids) {
			parts = quantities[i : i+1]
		} else if len(ids) > 1 {
			return nil, &refusal{"商品数量", "has another number of parts than 子订单编号"}
		}
		for _, part := range parts {
			units, err := parseQuantity("商品数量", part)
			if err != nil {
				return nil, err
			}
			line.quantity += units
		}
		switch {
		case len(skus) == len(ids):
			line.sku = skus[i]
		case len(slices.Compact(slices.Clone(skus))) == 1:
			line.sku = skus[0]
		}
		lines[i] = line
	}
	return lines, nil
}

func splitCell(cell string) []string {
	parts := strings.FieldsFunc(cell, func(r rune) bool { return r == ';' || r == '；' })
	for i := range parts {
		parts[i] = Clean(parts[i])
	}
	if len(parts) == 0 {
		return []string{""}
	}
	return parts
}

// partsOf are the parts of a cell that joins several lines, empty ones too. Where
// all are the same there is one.
func partsOf(cell string) []string {
	parts := strings.Split(strings.ReplaceAll(cell, "；", ";"), ";")
	for i := range parts {
		parts[i] = Clean(parts[i])
	}
	if len(slices.Compact(slices.Clone(parts))) == 1 {
		return parts[:1]
	}
	return parts
}

func (b *book) closeDouyin(order *found, now time.Time) {
	why := b.leftOut(order)
	switch {
	case why != "":
		b.refuse(order.file, order.line, "", why)
	case order.paidAt.IsZero():
		b.result.Unpaid = append(b.result.Unpaid, Unpaid{File: order.file, Line: order.line, OrderID: order.id})
	default:
		for _, line := range order.lines {
			order.shipping += line.shipping
		}
		b.close(order, now)
	}
}

package export

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/orders"
)

// The columns without which a Douyin file cannot be used.
var douyinColumns = []string{"主订单编号", "子订单编号", "商品数量", "订单应付金额", "订单状态", "售后状态"}

// Douyin reads an export of Douyin shop (抖店), one row for each line of an
// order. now is the time against which events are validated.
//
// Rules: what a line cost is 订单应付金额 less 运费. The file has no column for
// the amount of a refund, so 售后状态 退款成功 gives the whole line back. It is
// paid at 支付完成时间, or at 订单提交时间 where the file has no such column. A
// line is unpaid when that column is empty, or, without the column, when it is
// closed without a refund. Gifts (赠品) are lines of 0 yuan and stay with their
// order. A row that joins several lines with ";" is split where its amounts are
// joined too; where it has one amount it stays one line under the joined id.
// The order is completed at the latest 订单完成时间.
//
// It fails with a Refusal where a file cannot be read at all, lacks columns or
// has one twice.
func Douyin(shop string, now time.Time, files ...File) (Result, error) {
	book := newBook("douyin", shop)
	for _, file := range files {
		header, err := readHeader(file)
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
		if err := book.each(file, header, book.douyinRow); err != nil {
			return Result{}, err
		}
	}
	for _, id := range book.ids {
		book.closeDouyin(book.orders[id], now)
	}
	return book.result, nil
}

func (b *book) douyinRow(row record) error {
	id, err := row.id("主订单编号")
	if err != nil {
		return err
	}
	order := b.order(id)
	if order.line == 0 {
		order.file, order.line = row.file, row.line
		order.buyer = buyerOf("", row.kept("收件人手机号"))
	}
	if err := b.readDouyinRow(order, row); err != nil {
		order.damaged = true
		return err
	}
	return nil
}

func (b *book) readDouyinRow(order *found, row record) error {
	paidAt, err := row.douyinPaidAt()
	if err != nil {
		return err
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
	if shipping > 0 {
		// With one amount for the row it is the only line there is.
		if lines[0].paid < shipping {
			return &refusal{"运费", "is more than 订单应付金额"}
		}
		lines[0].paid -= shipping
		lines[0].shipping = shipping
	}
	gift := !slices.ContainsFunc(lines, func(line foundLine) bool { return line.paid > 0 })
	if paidAt.IsZero() && !gift {
		return nil // a line nobody paid for; the order may have others
	}
	refunded := strings.Contains(row.cell("售后状态"), "退款成功")
	for _, line := range lines {
		if refunded {
			line.refunded = line.paid
		}
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

// douyinPaidAt is when a line was paid, zero for one that was not.
func (r record) douyinPaidAt() (time.Time, error) {
	if r.columns.has("支付完成时间") {
		return r.optionalTime("支付完成时间")
	}
	status := r.cell("订单状态")
	closed := strings.HasPrefix(status, "已关闭") || strings.HasPrefix(status, "已取消")
	unpaid := strings.HasPrefix(status, "待支付") || strings.HasPrefix(status, "待付款")
	if unpaid || closed && !strings.Contains(r.cell("售后状态"), "退款成功") {
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
	amounts, quantities, skus := splitCell(r.cell("订单应付金额")), splitCell(r.cell("商品数量")), splitCell(r.kept("商家编码"))
	if len(amounts) == 1 && len(ids) > 1 {
		ids = []string{strings.Join(ids, ";")}
	}
	if len(amounts) != len(ids) {
		return nil, &refusal{"订单应付金额", "has another number of parts than 子订单编号"}
	}
	lines := make([]foundLine, len(ids))
	for i, id := range ids {
		line := foundLine{id: id}
		if line.paid, err = orders.ParseYuan(amounts[i]); err != nil {
			return nil, &refusal{"订单应付金额", "is not an amount like 323.58"}
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

func (b *book) closeDouyin(order *found, now time.Time) {
	switch {
	case order.damaged:
		b.refuse(order.file, order.line, "", "the order is left out because a row of it was refused")
	case order.paidAt.IsZero():
		b.result.Unpaid = append(b.result.Unpaid, Unpaid{File: order.file, Line: order.line, OrderID: order.id})
	default:
		for _, line := range order.lines {
			order.shipping += line.shipping
		}
		b.close(order, now)
	}
}

package export_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/export"
)

// soldLine and soldOrder are what a shop sold, before any export of it is
// written.
type soldLine struct {
	id, sku    string
	quantity   int64
	paid       loyalty.Fen // with its part of the shipping where the order says so
	refundWord string
	refund     loyalty.Fen
}

type soldOrder struct {
	id       string
	at       time.Time
	state    string
	phone    string
	shipping loyalty.Fen
	inLines  bool // the lines hold the shipping
	lines    []soldLine
}

func (o soldOrder) paid() (sum loyalty.Fen) {
	for _, line := range o.lines {
		sum += line.paid
	}
	if !o.inLines {
		sum += o.shipping
	}
	return sum
}

// comma is a comma as one export writes it in a word and another does not.
func comma(t *rapid.T, word string) string {
	return strings.ReplaceAll(word, "，", rapid.SampledFrom([]string{"，", ",", "， "}).Draw(t, "comma"))
}

func drawOrder(t *rapid.T, number int, states, refunds []string) soldOrder {
	order := soldOrder{
		id: fmt.Sprintf("35%013d%04d", rapid.Int64Range(0, 1e13-1).Draw(t, "order"), number*10+1),
		at: orders.Earliest.Add(25*365*24*time.Hour + time.Duration(rapid.Int64Range(0, 3e7).Draw(t, "second"))*time.Second), state: comma(t, rapid.SampledFrom(states).Draw(t, "state")),
		phone:    rapid.SampledFrom([]string{"", "-", "138****0001", "##密文", "13800000001-1234", "13800000001", "+86 138 0000 0001", "021-55550001"}).Draw(t, "phone"),
		shipping: loyalty.Fen(rapid.Int64Range(0, 2000).Draw(t, "shipping")), inLines: rapid.Bool().Draw(t, "in lines"),
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
		line := soldLine{
			id: fmt.Sprintf("%s%d", order.id[:18], i), sku: rapid.SampledFrom([]string{"", "MILK-900", "6901234567892", "奶粉 大罐"}).Draw(t, "sku"),
			quantity: rapid.Int64Range(1, 30).Draw(t, "quantity"), paid: loyalty.Fen(rapid.Int64Range(0, 9999999).Draw(t, "paid")),
			refundWord: rapid.SampledFrom(refunds).Draw(t, "refund"),
		}
		if strings.Contains(line.refundWord, "退款成功") {
			line.refund = loyalty.Fen(rapid.Int64Range(1, max(1, int64(line.paid))).Draw(t, "back"))
		}
		if strings.Contains(line.refundWord, "全额") {
			line.refund = line.paid
		}
		line.refundWord = comma(t, line.refundWord)
		order.lines = append(order.lines, line)
	}
	if order.inLines && order.paid() < order.shipping || order.inLines && len(order.lines) > 1 && order.paid() == 0 {
		order.shipping = 0
	}
	return order
}

// sheetForm is how one export writes its cells.
type sheetForm struct {
	t        *rapid.T
	raw      bool // nothing is quoted, numbers are formulas: the old form of Tmall
	trailing bool // a comma too many at the end of each row
	guard    string
	order    []int // of columns
}

func (f sheetForm) number(id string) string { return strings.ReplaceAll(f.guard, "%", id) }

func (f sheetForm) money(fen loyalty.Fen) string {
	plain := fmt.Sprintf("%d.%02d", fen/100, fen%100)
	forms := []string{plain, "¥" + plain, "￥" + plain, plain + "元", plain + "00", " " + plain}
	if fen%100 == 0 {
		forms = append(forms, fmt.Sprint(int64(fen/100)))
	}
	if whole := fmt.Sprint(int64(fen / 100)); !f.raw && len(whole) > 3 {
		forms = append(forms, whole[:len(whole)-3]+","+whole[len(whole)-3:]+plain[len(whole):])
	}
	return rapid.SampledFrom(forms).Draw(f.t, "money")
}

func (f sheetForm) time(at time.Time) string {
	return at.In(orders.Shanghai).Format(rapid.SampledFrom([]string{time.DateTime, "2006/1/2 15:4:5", "2006-01-02T15:04:05"}).Draw(f.t, "time"))
}

// write is the file: columns in the form's order, with names as the form has
// them.
func (f sheetForm) write(rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		var cells []string
		for _, column := range f.order {
			cells = append(cells, row[column])
		}
		if i == 0 {
			for j := range cells {
				cells[j] = rapid.SampledFrom([]string{"", " ", "\u3000"}).Draw(f.t, "blank") + cells[j] + rapid.SampledFrom([]string{"", " ", "\t", "（元）"}).Draw(f.t, "blank")
			}
		}
		switch {
		case f.raw:
			text.WriteString(strings.Join(cells, ","))
		default:
			for j, cell := range cells {
				cells[j] = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			}
			text.WriteString(strings.Join(cells, ","))
		}
		if f.trailing {
			text.WriteString(",")
		}
		text.WriteString("\r\n")
	}
	return text.String()
}

func drawForm(t *rapid.T, columns int) sheetForm {
	form := sheetForm{t: t, raw: rapid.Bool().Draw(t, "raw"), trailing: rapid.Bool().Draw(t, "trailing")}
	form.guard = rapid.SampledFrom([]string{`="%"`, "\t%", "'%", "%"}).Draw(t, "guard")
	for i := range columns {
		form.order = append(form.order, i)
	}
	form.order = rapid.Permutation(form.order).Draw(t, "order")
	return form
}

func encoded(t *rapid.T, name, text string) export.File {
	named, content, err := export.EncodingAuto, text, error(nil)
	switch rapid.IntRange(0, 4).Draw(t, "encoding") {
	case 1:
		content = "\ufeff" + text
	case 2:
		content, err = simplifiedchinese.GBK.NewEncoder().String(strings.ReplaceAll(text, "¥", "￥"))
	case 3:
		named = export.EncodingGB18030
		content, err = simplifiedchinese.GB18030.NewEncoder().String(text)
	case 4:
		named = export.EncodingUTF16
		content, err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	rows, err := export.NewCSV(strings.NewReader(content), named)
	if err != nil {
		t.Fatal(err)
	}
	return export.File{Name: name, Rows: rows}
}

// told is what the events of an import amount to.
type told struct {
	Paid, Refunded, Shipping loyalty.Fen
	Lines                    map[string][3]int64 // quantity, paid, given back; paid without what was taken off for shipping
}

func wanted(order soldOrder) told {
	want := told{Shipping: order.shipping, Lines: map[string][3]int64{}}
	paid := make([]loyalty.Fen, len(order.lines))
	for i, line := range order.lines {
		paid[i] = line.paid
	}
	if order.inLines {
		for i, off := range loyalty.Allocate(order.shipping, slices.Clone(paid)) {
			paid[i] -= off
		}
	}
	for i, line := range order.lines {
		back := min(line.refund, paid[i])
		want.Lines[line.id] = [3]int64{line.quantity, int64(paid[i]), int64(back)}
		want.Paid, want.Refunded = want.Paid+paid[i], want.Refunded+back
	}
	return want
}

func tell(order export.Order) told {
	got := told{Paid: order.Paid, Refunded: order.Refunded, Lines: map[string][3]int64{}}
	for _, event := range order.Events() {
		got.Shipping += event.Shipping
		for _, line := range event.Lines {
			of := got.Lines[line.LineID]
			if event.Type == orders.TypePaid {
				of[0], of[1] = line.Quantity, int64(line.Paid)
			} else {
				of[2] = int64(line.RefundedTotal)
			}
			got.Lines[line.LineID] = of
		}
	}
	return got
}

func compare(t *rapid.T, sold []soldOrder, result export.Result, files ...string) {
	want, got := map[string]told{}, map[string]told{}
	for _, order := range sold {
		want[order.id] = wanted(order)
	}
	for _, order := range result.Orders {
		got[order.OrderID] = tell(order)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(result.Refused)+len(result.Unpaid) > 0 {
		t.Fatalf("%s\nrefused %v, unpaid %v in\n%s", diff, result.Refused, result.Unpaid, strings.Join(files, "\n"))
	}
}

// Whatever a shop sold, and in whichever of its forms Tmall writes it down,
// every order is found to the fen: quoted, unquoted and as formulas, in every
// encoding, with columns in any order and under the names of before and after
// 2024, as a pair of files and as one with both lists side by side.
func TestEveryFormOfATmallExportIsReadToTheFen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sold []soldOrder
		for i := range rapid.IntRange(1, 5).Draw(t, "orders") {
			sold = append(sold, drawOrder(
				t, i, []string{"买家已付款，等待卖家发货", "卖家已发货，等待买家确认", "交易成功", "交易关闭"},
				[]string{"没有申请退款", "退款成功", "部分退款成功", "已全额退款", "退款关闭", "买家已经申请退款，等待卖家同意", ""},
			))
		}
		amount := rapid.SampledFrom([]string{"买家实际支付金额", "买家实付金额"}).Draw(t, "amount")
		listHeader := []string{"订单编号", "买家会员名", "买家应付邮费", amount, "订单状态", "联系手机", "订单创建时间", "订单付款时间", "确认收货时间", "商家备注"}
		detailHeader := []string{"子订单编号", "主订单编号", rapid.SampledFrom([]string{"标题", "商品标题"}).Draw(t, "title"), "购买数量", "商家编码", amount, "退款状态", "退款金额"}
		listRow := func(f sheetForm, o soldOrder) []string {
			return []string{f.number(o.id), "t**9", f.money(o.shipping), f.money(o.paid()), o.state, o.phone, f.time(o.at), f.time(o.at), "", ""}
		}
		detailRow := func(f sheetForm, o soldOrder, l soldLine) []string {
			back := f.money(l.refund)
			if l.refund == 0 && !strings.Contains(l.refundWord, "全额") {
				back = rapid.SampledFrom([]string{"无退款申请", "0.00", ""}).Draw(t, "no refund")
			}
			return []string{f.number(l.id), f.number(o.id), `5"屏`, fmt.Sprint(l.quantity), l.sku, f.money(l.paid), l.refundWord, back}
		}
		if rapid.Bool().Draw(t, "side by side") {
			form := drawForm(t, len(listHeader)+len(detailHeader))
			// Which of the lists comes first is free, and each keeps its columns together.
			form.order = nil
			at := rapid.Permutation([]int{0, 1}).Draw(t, "first")
			for _, side := range at {
				for column := range []int{len(listHeader), len(detailHeader)}[side] {
					form.order = append(form.order, column+side*len(listHeader))
				}
			}
			rows := [][]string{slices.Concat(listHeader, detailHeader)}
			for _, order := range sold {
				for _, line := range order.lines {
					rows = append(rows, slices.Concat(listRow(form, order), detailRow(form, order, line)))
				}
			}
			text := form.write(rows)
			result, err := export.Tmall("flagship", now, encoded(t, "both.csv", text))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, sold, result, text)
			return
		}
		form := drawForm(t, len(listHeader))
		rows := [][]string{listHeader}
		for _, order := range sold {
			rows = append(rows, listRow(form, order))
		}
		list := form.write(rows)
		form = drawForm(t, len(detailHeader))
		rows = [][]string{detailHeader}
		for _, order := range sold {
			for _, line := range order.lines {
				rows = append(rows, detailRow(form, order, line))
			}
		}
		detail := form.write(rows)
		files := []export.File{encoded(t, "list.csv", list), encoded(t, "detail.csv", detail)}
		if rapid.Bool().Draw(t, "detail first") {
			slices.Reverse(files)
		}
		result, err := export.Tmall("flagship", now, files...)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, sold, result, list, detail)
	})
}

func TestEveryFormOfADouyinExportIsReadToTheFen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.Bool().Draw(t, "amounts of refunds")
		words := []string{"-", "", "售后关闭", "待商家收货", "补寄/换货成功", "已全额退款"}
		if amounts {
			words = append(words, "部分退款成功", "退款成功", "同意退款，退款成功")
		}
		var sold []soldOrder
		for i := range rapid.IntRange(1, 5).Draw(t, "orders") {
			order := drawOrder(t, i, []string{"备货中", "待发货", "已发货", "已完成"}, words)
			order.inLines = true
			// 运费 stands on one row and is in its amount.
			order.lines[0].paid += order.shipping
			if strings.Contains(order.lines[0].refundWord, "全额") {
				order.lines[0].refund = order.lines[0].paid
			}
			sold = append(sold, order)
		}
		header := []string{"主订单编号", "子订单编号", "选购商品", "商品数量", "商家编码", "订单应付金额", "运费", "收件人手机号", "订单提交时间", "支付完成时间", "订单完成时间", "订单状态", "售后状态"}
		if amounts {
			header = append(header, "退款金额")
		}
		form := drawForm(t, len(header))
		rows := [][]string{header}
		for _, order := range sold {
			for i, line := range order.lines {
				shipping := "0.00"
				if i == 0 {
					shipping = form.money(order.shipping)
				}
				row := []string{
					form.number(order.id), form.number(line.id), "奶粉", fmt.Sprint(line.quantity), line.sku, form.money(line.paid), shipping, order.phone,
					form.time(order.at), form.time(order.at), "-", order.state, line.refundWord,
				}
				if amounts {
					back := form.money(line.refund)
					if line.refund == 0 && !strings.Contains(line.refundWord, "全额") {
						back = "-"
					}
					row = append(row, back)
				}
				rows = append(rows, row)
			}
		}
		text := form.write(rows)
		result, err := export.Douyin("flagship", now, encoded(t, "d.csv", text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range sold {
			// The shipping is the first line's alone.
			sold[i].lines[0].paid -= sold[i].shipping
			sold[i].inLines = false
		}
		compare(t, sold, result, text)
	})
}

// One row that is refused costs its order and no other, wherever it stands and
// whatever is wrong with it.
func TestARefusedRowCostsItsOrderAndNoOther(t *testing.T) {
	columns := strings.Split(strings.TrimSuffix(douyinHeader, "\n"), ",")
	faults := map[string][]string{
		"子订单编号":  {"", "2.15612E+17", "2.15612e+17", "２.1E＋１７", "215612345678901234.0", "#REF!", "=A1+1", `1"2`},
		"商品数量":   {"", "0", "-1", "+1", "1E+05", "1.5", "一"},
		"商家编码":   {"6.90123E+12", "#N/A", `=A1`},
		"订单应付金额": {"", "ten", "1E+05", "-1.00", "0.001", "1,00", "#VALUE!", "45962.91.1"},
		"运费":     {"free", "1E+05"},
		"收件人手机号": {"1.39E+10", "1.38E+10", "13800", "138000000011", "abc", "#NAME?", "=A1", "1.39e+10"},
		"订单提交时间": {"45962.91833", "46000", "########", "2026-02-30 10:00:00", "4.5962E+04", "nie"},
		"订单完成时间": {"45962.91833", "########", "x"},
		"订单状态":   {"", "-", "已完结", "已发货 待确认？", "paid"},
		"售后状态":   {"售后成功", "售后完成", "部分退款成功", "已部分退款", "退款成功？", "refunded", "退款成功2", "退款成功;-"},
	}
	rapid.Check(t, func(t *rapid.T) {
		column := rapid.SampledFrom(slices.Sorted(func(yield func(string) bool) {
			for name := range faults {
				if !yield(name) {
					return
				}
			}
		})).Draw(t, "column")
		fault := rapid.SampledFrom(faults[column]).Draw(t, "fault")
		bad := rapid.IntRange(0, 5).Draw(t, "row")
		var text strings.Builder
		text.WriteString(douyinHeader)
		writer := csv.NewWriter(&text)
		for i := range 6 {
			row := []string{fmt.Sprint(100 + i/2), fmt.Sprint(200 + i), "1", "A", "10.00", "0.00", "-", "2026-10-01 10:00:00", "-", "已发货", "-"}
			if i == bad {
				row[slices.Index(columns, column)] = fault
			}
			if err := writer.Write(row); err != nil {
				t.Fatal(err)
			}
		}
		writer.Flush()
		result, err := export.Douyin("flagship", now, csvFileOf(t, text.String()))
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Orders) != 2 || slices.ContainsFunc(result.Orders, func(o export.Order) bool {
			return o.OrderID == fmt.Sprint(100+bad/2) || o.Lines != 2 || o.Paid != 2000
		}) {
			t.Fatalf("%s %q: orders %+v, refused %v", column, fault, result.Orders, result.Refused)
		}
		if len(result.Refused) != 2 || result.Refused[0].Line != bad+2 || result.Refused[0].Column != column && column != "运费" {
			t.Fatalf("%s %q: refused %v", column, fault, result.Refused)
		}
		if reason := result.Refused[0].Reason; column == "收件人手机号" && strings.ContainsAny(reason, "13") {
			t.Fatalf("the reason tells the number: %s", reason)
		}
	})
}

func csvFileOf(t *rapid.T, text string) export.File {
	rows, err := export.NewCSV(strings.NewReader(text), export.EncodingAuto)
	if err != nil {
		t.Fatal(err)
	}
	return export.File{Name: "d.csv", Rows: rows}
}

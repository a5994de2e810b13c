package export_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/export"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(text string) time.Time {
	parsed, err := time.ParseInLocation(time.DateTime, text, orders.Shanghai)
	if err != nil {
		panic(err)
	}
	return parsed
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func csvFile(t testing.TB, name, content string, named export.Encoding) export.File {
	t.Helper()
	rows, err := export.NewCSV(strings.NewReader(content), named)
	if err != nil {
		t.Fatal(err)
	}
	return export.File{Name: name, Rows: rows}
}

func tmallPair(t testing.TB) (list, detail export.File) {
	t.Helper()
	return csvFile(t, "list.csv", string(fixture(t, "tmall_list.gbk.csv")), export.EncodingAuto),
		csvFile(t, "detail.csv", string(fixture(t, "tmall_detail.gbk.csv")), export.EncodingAuto)
}

// seen is a result with all its events.
type seen struct {
	Orders  []seenOrder
	Unpaid  []export.Unpaid
	Refused []export.Refusal
}

type seenOrder struct {
	File           string
	Line           int
	OrderID        string
	Lines          int
	Paid, Refunded loyalty.Fen
	Events         []orders.Event
}

func see(result export.Result) seen {
	all := seen{Unpaid: result.Unpaid, Refused: result.Refused}
	for _, order := range result.Orders {
		all.Orders = append(all.Orders, seenOrder{order.File, order.Line, order.OrderID, order.Lines, order.Paid, order.Refunded, order.Events()})
	}
	return all
}

func wantTmall() seen {
	event := func(kind orders.Type, id, when string, buyer orders.Buyer, shipping loyalty.Fen, lines ...orders.Line) orders.Event {
		return orders.Event{Type: kind, Channel: "tmall", Shop: "flagship", OrderID: id, OccurredAt: at(when), Currency: "CNY", Buyer: buyer, Shipping: shipping, Lines: lines}
	}
	first, second, fourth := orders.Buyer{PhoneLast4: "1234"}, orders.Buyer{PhoneLast4: "5678"}, orders.Buyer{}
	return seen{
		Orders: []seenOrder{
			{
				File: "list.csv", Line: 2, OrderID: "3301000000000000001", Lines: 1, Paid: 19900, Events: []orders.Event{
					event(orders.TypePaid, "3301000000000000001", "2026-11-01 20:00:09", first, 0, orders.Line{LineID: "3301000000000000001", SKU: "MILK-900", Quantity: 1, Paid: 19900}),
				},
			},
			{
				// 250.00 were paid, of which 10.00 for shipping; the lines say 240.00.
				File: "list.csv", Line: 3, OrderID: "3301000000000000002", Lines: 3, Paid: 24000, Refunded: 3050, Events: []orders.Event{
					event(
						orders.TypePaid, "3301000000000000002", "2026-11-02 08:00:30", second, 1000,
						orders.Line{LineID: "3301000000000000021", SKU: "MILK-900", Quantity: 1, Paid: 16667},
						orders.Line{LineID: "3301000000000000022", SKU: "RICE-200", Quantity: 2, Paid: 7333},
						orders.Line{LineID: "3301000000000000023", Quantity: 1},
					),
					event(orders.TypeCompleted, "3301000000000000002", "2026-11-10 12:00:00", second, 0),
					event(orders.TypeRefunded, "3301000000000000002", "2026-11-10 12:00:00", second, 0, orders.Line{LineID: "3301000000000000022", RefundedTotal: 3050}),
				},
			},
			{
				// The only line says all that was paid, 8.00 of it for shipping.
				File: "list.csv", Line: 5, OrderID: "3301000000000000004", Lines: 1, Paid: 9000, Events: []orders.Event{
					event(orders.TypePaid, "3301000000000000004", "2026-11-04 08:06:00", fourth, 800, orders.Line{LineID: "3301000000000000004", SKU: "RICE-200", Quantity: 1, Paid: 9000}),
					event(orders.TypeCompleted, "3301000000000000004", "2026-11-12 09:00:00", fourth, 0),
				},
			},
		},
		Unpaid: []export.Unpaid{{File: "list.csv", Line: 4, OrderID: "3301000000000000003"}},
	}
}

func TestTmall(t *testing.T) {
	list, detail := tmallPair(t)
	result, err := export.Tmall("flagship", now, list, detail)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantTmall(), see(result)); diff != "" {
		t.Error(diff)
	}
}

func TestTmallInEveryEncodingAndOrderOfColumns(t *testing.T) {
	decode := func(name string) string {
		text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(fixture(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	list, detail := decode("tmall_list.gbk.csv"), decode("tmall_detail.gbk.csv")
	encode := func(encoding encoding.Encoding) func(string) string {
		return func(text string) string {
			encoded, err := encoding.NewEncoder().String(text)
			if err != nil {
				t.Fatal(err)
			}
			return encoded
		}
	}
	for name, test := range map[string]struct {
		change func(string) string
		named  export.Encoding
	}{
		"UTF-8":              {func(text string) string { return text }, export.EncodingAuto},
		"UTF-8 by name":      {func(text string) string { return text }, export.EncodingUTF8},
		"UTF-8 with mark":    {func(text string) string { return "\ufeff" + text }, export.EncodingAuto},
		"GBK":                {encode(simplifiedchinese.GBK), export.EncodingAuto},
		"GB18030 by name":    {encode(simplifiedchinese.GB18030), export.EncodingGB18030},
		"UTF-16 by name":     {encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)), export.EncodingUTF16},
		"UTF-16 big by name": {encode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM)), export.EncodingUTF16},
		"LF":                 {func(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }, export.EncodingAuto},
		"CR": {func(text string) string {
			return strings.ReplaceAll(strings.ReplaceAll(text, "\n换行", ""), "\r\n", "\r")
		}, export.EncodingAuto},
		"no end of the last": {func(text string) string { return strings.TrimSuffix(text, "\r\n") }, export.EncodingAuto},
		"blank lines":        {func(text string) string { return "\r\n" + strings.ReplaceAll(text, "\r\n", "\r\n\r\n") + "\r\n \r\n" }, export.EncodingAuto},
		"columns turned around": {func(text string) string {
			return eachRow(t, text, func(cells []string) []string { slices.Reverse(cells); return cells })
		}, export.EncodingAuto},
		"a column more": {func(text string) string {
			return eachRow(t, text, func(cells []string) []string { return append([]string{"新"}, cells...) })
		}, export.EncodingAuto},
		"nothing quoted": {func(text string) string { return eachRow(t, text, func(cells []string) []string { return cells }) }, export.EncodingAuto},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := export.Tmall("flagship", now, csvFile(t, "detail.csv", test.change(detail), test.named), csvFile(t, "list.csv", test.change(list), test.named))
			if err != nil {
				t.Fatal(err)
			}
			want := wantTmall()
			for i := range result.Orders {
				result.Orders[i].Line = want.Orders[min(i, len(want.Orders)-1)].Line // line ends change it
			}
			for i := range result.Unpaid {
				result.Unpaid[i].Line = want.Unpaid[0].Line
			}
			if diff := cmp.Diff(want, see(result)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// eachRow writes a CSV file again with changed rows.
func eachRow(t *testing.T, text string, change func([]string) []string) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var written strings.Builder
	writer := csv.NewWriter(&written)
	for _, row := range rows {
		if err := writer.Write(change(row)); err != nil {
			t.Fatal(err)
		}
	}
	writer.Flush()
	return written.String()
}

func TestImportTwiceIsTheSame(t *testing.T) {
	list, detail := tmallPair(t)
	again, detailAgain := tmallPair(t)
	result, err := export.Tmall("flagship", now, list, detail, detailAgain, again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantTmall(), see(result)); diff != "" {
		t.Error(diff)
	}
}

func wantDouyin() seen {
	event := func(kind orders.Type, id, when string, shipping loyalty.Fen, lines ...orders.Line) orders.Event {
		return orders.Event{Type: kind, Channel: "douyin", Shop: "flagship", OrderID: id, OccurredAt: at(when), Currency: "CNY", Shipping: shipping, Lines: lines}
	}
	return seen{
		Orders: []seenOrder{
			{File: "d.csv", Line: 2, OrderID: "6990000000000000001", Lines: 1, Paid: 19900, Events: []orders.Event{
				event(orders.TypePaid, "6990000000000000001", "2026-10-01 10:00:20", 600, orders.Line{LineID: "6990000000000000001", SKU: "MILK-900", Quantity: 1, Paid: 19900}),
				event(orders.TypeCompleted, "6990000000000000001", "2026-10-09 10:00:00", 0),
			}},
			{File: "d.csv", Line: 3, OrderID: "6990000000000000002", Lines: 2, Paid: 4590, Refunded: 4590, Events: []orders.Event{
				event(
					orders.TypePaid, "6990000000000000002", "2026-10-02 10:00:20", 0,
					orders.Line{LineID: "6990000000000000002", SKU: "RICE-200", Quantity: 2, Paid: 4590},
					orders.Line{LineID: "69900000000000000021", SKU: "GIFT-1", Quantity: 1},
				),
				event(orders.TypeCompleted, "6990000000000000002", "2026-10-10 10:00:00", 0),
				event(orders.TypeRefunded, "6990000000000000002", "2026-10-10 10:00:00", 0, orders.Line{LineID: "6990000000000000002", RefundedTotal: 4590}),
			}},
			{File: "d.csv", Line: 6, OrderID: "6990000000000000004", Lines: 2, Paid: 12050, Events: []orders.Event{
				event(
					orders.TypePaid, "6990000000000000004", "2026-10-04 10:00:20", 0,
					orders.Line{LineID: "69900000000000000041", SKU: "MILK-900", Quantity: 1, Paid: 10000},
					orders.Line{LineID: "69900000000000000042", SKU: "RICE-200", Quantity: 2, Paid: 2050},
				),
			}},
		},
		Unpaid: []export.Unpaid{{File: "d.csv", Line: 5, OrderID: "6990000000000000003"}},
	}
}

func TestDouyin(t *testing.T) {
	content := string(fixture(t, "douyin.utf8bom.csv"))
	for name, files := range map[string][]export.File{
		"once":  {csvFile(t, "d.csv", content, export.EncodingAuto)},
		"twice": {csvFile(t, "d.csv", content, export.EncodingAuto), csvFile(t, "d.csv", content, export.EncodingAuto)},
	} {
		result, err := export.Douyin("flagship", now, files...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantDouyin(), see(result)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

const douyinHeader = "主订单编号,子订单编号,商品数量,商家编码,订单应付金额,运费,收件人手机号,订单提交时间,订单完成时间,订单状态,售后状态\n"

func TestDouyinWithoutTimeOfPayment(t *testing.T) {
	content := douyinHeader +
		"1,1,1,A,10.00,0.00,138****0001,2026-10-01 10:00:00,-,已关闭,退款成功\n" + // paid, then given back
		"2,2,1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已关闭,-\n" + // never paid
		"3,3,1,A,10.00,0.00,13800000003,2026-10-01 10:00:00,-,已发货,-\n" +
		"3,31,1,G,0.00,0.00,13800000003,2026-10-01 10:00:00,-,已关闭,-\n" + // its gift
		"4,4,1,A,10.00,0.00,13800000004-1234,2026-10-01 10:00:00,-,待支付,-\n" +
		"5,51;52,1;2,A;A,30.00,1.00,#c#,2026-10-01 10:00:00,-,已发货,-\n" // one amount for two lines
	result, err := export.Douyin("flagship", now, csvFile(t, "d.csv", content, export.EncodingAuto))
	if err != nil {
		t.Fatal(err)
	}
	type summary struct {
		ID             string
		Paid, Refunded loyalty.Fen
		Buyer          orders.Buyer
		Lines          []orders.Line
	}
	var got []summary
	for _, order := range result.Orders {
		got = append(got, summary{order.OrderID, order.Paid, order.Refunded, order.Events()[0].Buyer, order.Events()[0].Lines})
	}
	want := []summary{
		{"1", 1000, 1000, orders.Buyer{PhoneLast4: "0001"}, []orders.Line{{LineID: "1", SKU: "A", Quantity: 1, Paid: 1000}}},
		{"3", 1000, 0, orders.Buyer{Phone: "13800000003"}, []orders.Line{{LineID: "3", SKU: "A", Quantity: 1, Paid: 1000}, {LineID: "31", SKU: "G", Quantity: 1}}},
		{"5", 2900, 0, orders.Buyer{}, []orders.Line{{LineID: "51;52", SKU: "A", Quantity: 3, Paid: 2900}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]export.Unpaid{{File: "d.csv", Line: 3, OrderID: "2"}, {File: "d.csv", Line: 6, OrderID: "4"}}, result.Unpaid); diff != "" {
		t.Error(diff)
	}
}

// Each bad row is named and costs only the order it belongs to.
func TestBadRows(t *testing.T) {
	good := "9,9,1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n"
	for name, test := range map[string]struct {
		rows string
		want []string
	}{
		"money":             {"1,1,1,A,ten,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 订单应付金额: is not an amount like 323.58", "d.csv:2: the order is left out because a row of it was refused"}},
		"negative":          {"1,1,1,A,-1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 订单应付金额: is not", "d.csv:2: the order is left out"}},
		"shipping":          {"1,1,1,A,1.00,2.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 运费: is more than 订单应付金额", "left out"}},
		"time":              {"1,1,1,A,1.00,0.00,-,2026-02-30 10:00:00,-,已发货,-\n", []string{"d.csv:2: 订单提交时间: is not a time", "left out"}},
		"no time":           {"1,1,1,A,1.00,0.00,-,-,-,已发货,-\n", []string{"d.csv:2: 订单提交时间: is empty", "left out"}},
		"quantity":          {"1,1,0,A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 商品数量: is not a number of units", "left out"}},
		"no order":          {",1,1,A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 主订单编号: is empty"}},
		"rounded":           {"6.91792676882364E+18,1,1,A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 主订单编号: a spreadsheet has rounded the number"}},
		"long id":           {strings.Repeat("1", 129) + ",1,1,A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 主订单编号: is too long"}},
		"ragged":            {"1,1,1\n", []string{"d.csv:2: has 3 columns and the header 11"}},
		"too many":          {"1,1,1,A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-,x\n", []string{"d.csv:2: has 12 columns and the header 11"}},
		"parts":             {"1,11;12,1;2;3,A,1.00;2.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 商品数量: has another number of parts", "left out"}},
		"amounts":           {"1,11;12,1;2,A,1.00;2.00;3.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: 订单应付金额: has another number of parts", "left out"}},
		"future":            {"1,1,1,A,1.00,0.00,-,2036-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: the order is not valid: /occurred_at in_the_future"}},
		"NUL":               {"1,1,1,\x00,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", nil},
		"quote in an id":    {`1,5"x,1,A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-` + "\n", []string{"d.csv:2: 子订单编号: holds a quote", "left out"}},
		"after a quote":     {`1,1,1,"A"B,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-` + "\n", []string{"d.csv:2: text follows the closing quote of a cell"}},
		"open quote":        {`1,1,1,"A,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-` + "\n", []string{"d.csv:2: a quote is opened and never closed"}},
		"bytes of no UTF-8": {"1,1,1,\xff,1.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n", []string{"d.csv:2: the row holds bytes that are not text"}},
		"long line":         {strings.Repeat("x", 300<<10) + "\n", []string{"d.csv:2: the line is too long"}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := export.NewCSV(strings.NewReader(douyinHeader+test.rows+good), export.EncodingUTF8)
			if test.want == nil {
				if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Code != "not_text" {
					t.Errorf("%v, want not_text", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			result, err := export.Douyin("flagship", now, export.File{Name: "d.csv", Rows: rows})
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Orders) != 1 || result.Orders[0].OrderID != "9" || result.Orders[0].Paid != 1000 {
				t.Errorf("the good row was not taken: %+v", result.Orders)
			}
			if len(result.Refused) != len(test.want) {
				t.Fatalf("%v, want %v", result.Refused, test.want)
			}
			for i, refused := range result.Refused {
				if !strings.Contains(refused.Error(), test.want[i]) {
					t.Errorf("%s, want %s", refused, test.want[i])
				}
			}
		})
	}
}

func TestNULLateInAFile(t *testing.T) {
	good := "%d,%d,1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n"
	var content strings.Builder
	content.WriteString(douyinHeader)
	for i := range 2000 {
		fmt.Fprintf(&content, good, i, i)
	}
	fmt.Fprintf(&content, "x,x,1,\x00,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n")
	fmt.Fprintf(&content, good, 2000, 2000)
	result, err := export.Douyin("flagship", now, csvFile(t, "d.csv", content.String(), export.EncodingAuto))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Orders) != 2001 || len(result.Refused) != 1 || result.Refused[0].Error() != "d.csv:2002: the row holds NUL bytes" {
		t.Errorf("%d orders, refused %v", len(result.Orders), result.Refused)
	}
}

// A quote that is lost must not swallow the rest, and a cell over several
// lines keeps the line it began on.
func TestLinesAreThoseOfTheFile(t *testing.T) {
	content := douyinHeader +
		"1,1,1,\"A\nB\",10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n" +
		"2,2,1,A,bad,0.00,-,2026-10-01 10:00:00,-,已发货,-\n" +
		"3,3,1,\"A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n" +
		"4,4,1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n"
	result, err := export.Douyin("flagship", now, csvFile(t, "d.csv", content, export.EncodingAuto))
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, refusal := range result.Refused {
		refused = append(refused, refusal.Error())
	}
	want := []string{
		"d.csv:4: 订单应付金额: is not an amount like 323.58",
		"d.csv:5: a quote is opened and never closed",
		"d.csv:2: the order is not valid: /lines/0/sku not_printable",
		"d.csv:4: the order is left out because a row of it was refused",
	}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Error(diff)
	}
	if len(result.Orders) != 1 || result.Orders[0].OrderID != "4" {
		t.Errorf("%+v", result.Orders)
	}
}

const (
	tmallList   = "订单编号,买家应付邮费,买家实际支付金额,订单状态,订单付款时间 ,订单创建时间\n"
	tmallDetail = "主订单编号,子订单编号,购买数量,买家实际支付金额,退款状态,退款金额\n"
)

func TestTmallThatDoesNotAddUp(t *testing.T) {
	list := tmallList +
		"1,0.00,10.00,交易成功,2026-11-01 10:00:00,-\n" + // lines say 9.00
		"2,0.00,10.00,交易成功,2026-11-01 10:00:00,-\n" + // no lines
		"3,0.00,ten,交易成功,2026-11-01 10:00:00,-\n" +
		"4,0.00,10.00,交易成功,2026-11-01 10:00:00,-\n" + // a bad line
		"6,0.00,10.00,交易成功,-,2026-11-01 10:00:00\n" + // paid, by its state
		"7,0.00,10.00,交易成功,-,-\n" +
		"8,0.00,10.00,等待买家付款,-,2026-11-01 10:00:00\n" +
		"9,0.00,10.00,交易关闭,2026-11-01 10:00:00,-\n" // given back more than the goods
	detail := tmallDetail +
		"1,1,1,9.00,没有申请退款,-\n" +
		"3,3,1,10.00,没有申请退款,-\n" +
		"4,4,one,10.00,没有申请退款,-\n" +
		"5,5,1,10.00,没有申请退款,-\n" +
		"6,6,1,10.00,没有申请退款,-\n" +
		"7,7,1,10.00,没有申请退款,-\n" +
		"9,9,1,10.00,退款成功,12.00\n" +
		"6,6,1,10.00,退款成功,some\n"
	result, err := export.Tmall("flagship", now, csvFile(t, "l.csv", list, export.EncodingAuto), csvFile(t, "d.csv", detail, export.EncodingAuto))
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, refusal := range result.Refused {
		refused = append(refused, refusal.Error())
	}
	want := []string{
		"l.csv:4: 买家实际支付金额: is not an amount like 323.58",
		"l.csv:7: 订单付款时间: is empty although the order was paid",
		"d.csv:4: 购买数量: is not a number of units like 1",
		"d.csv:9: 退款金额: is not an amount like 323.58",
		"l.csv:2: 买家实际支付金额: the order says 10.00 and its lines add up to 9.00",
		"l.csv:3: 订单编号: no line of this order is in the list of lines",
		"l.csv:4: the order is left out because a row of it was refused",
		"l.csv:5: the order is left out because a row of it was refused",
		"l.csv:6: the order is left out because a row of it was refused",
		"l.csv:7: the order is left out because a row of it was refused",
		"d.csv:5: 主订单编号: the order of this line is not in the list of orders",
	}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Error(diff)
	}
	if len(result.Orders) != 1 || result.Orders[0].OrderID != "9" || result.Orders[0].Refunded != 1000 || len(result.Unpaid) != 1 || result.Unpaid[0].OrderID != "8" {
		t.Errorf("%+v, unpaid %+v", result.Orders, result.Unpaid)
	}
}

func TestOrderOfManyLines(t *testing.T) {
	list := tmallList + "1,0.00,120.00,交易成功,2026-11-01 10:00:00,-\n"
	detail := tmallDetail
	for i := range 120 {
		detail += fmt.Sprintf("1,%d,1,1.00,退款成功,0.50\n", 100+i)
	}
	result, err := export.Tmall("flagship", now, csvFile(t, "l.csv", list, export.EncodingAuto), csvFile(t, "d.csv", detail, export.EncodingAuto))
	if err != nil || len(result.Orders) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	lines := map[orders.Type]int{}
	for _, event := range result.Orders[0].Events() {
		lines[event.Type] += len(event.Lines)
	}
	if lines[orders.TypePaid] != 120 || lines[orders.TypeRefunded] != 120 || result.Orders[0].Refunded != 6000 {
		t.Errorf("%v, refunded %d", lines, result.Orders[0].Refunded)
	}
}

// However the shipping is spread, the lines add up to what was paid for goods,
// and none is off its exact share by a fen or more.
func TestShippingIsTakenOffExactly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		amounts := rapid.SliceOfN(rapid.Int64Range(0, 5_000_000_00), 1, 20).Draw(rt, "lines")
		var sum int64
		for _, amount := range amounts {
			sum += amount
		}
		shipping := rapid.Int64Range(0, sum).Draw(rt, "shipping")
		yuan := func(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
		list := tmallList + fmt.Sprintf("1,%s,%s,交易成功,2026-11-01 10:00:00,-\n", yuan(shipping), yuan(sum))
		detail := tmallDetail
		for i, amount := range amounts {
			detail += fmt.Sprintf("1,%d,1,%s,没有申请退款,-\n", 10+i, yuan(amount))
		}
		result, err := export.Tmall("flagship", now, csvFile(t, "l.csv", list, export.EncodingAuto), csvFile(t, "d.csv", detail, export.EncodingAuto))
		if err != nil || len(result.Orders) != 1 {
			rt.Fatalf("%+v, %v", result, err)
		}
		if int64(result.Orders[0].Paid) != sum-shipping {
			rt.Fatalf("paid %d for goods, want %d", result.Orders[0].Paid, sum-shipping)
		}
		for i, line := range result.Orders[0].Events()[0].Lines {
			share := float64(amounts[i]) * (1 - float64(shipping)/float64(max(sum, 1)))
			if off := float64(line.Paid) - share; off <= -1.001 || off >= 1.001 {
				rt.Fatalf("line %d is %d, its share %f", i, line.Paid, share)
			}
		}
	})
}

func TestFilesThatAreOfNoUse(t *testing.T) {
	list, detail := string(fixture(t, "tmall_list.gbk.csv")), string(fixture(t, "tmall_detail.gbk.csv"))
	tmall := func(contents ...string) error {
		var files []export.File
		for i, content := range contents {
			files = append(files, csvFile(t, fmt.Sprintf("%d.csv", i), content, export.EncodingAuto))
		}
		_, err := export.Tmall("flagship", now, files...)
		return err
	}
	douyin := func(content string) error {
		_, err := export.Douyin("flagship", now, csvFile(t, "0.csv", content, export.EncodingAuto))
		return err
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"only the list":       {tmall(list), "the list of lines (ExportOrderDetailList) is missing"},
		"only the lines":      {tmall(detail), "the list of orders (ExportOrderList) is missing"},
		"a Douyin file":       {tmall(list, string(fixture(t, "douyin.utf8bom.csv"))), "1.csv:1: columns are missing for a Tmall list of lines: 购买数量, 买家实际支付金额, 退款状态, 退款金额 (expected 主订单编号"},
		"a list cut short":    {tmall(strings.Replace(tmallList, "订单状态", "状态", 1), detail), "0.csv:1: columns are missing for a Tmall list of orders: 订单状态 (expected"},
		"a column twice":      {tmall(strings.Replace(tmallList, "买家应付邮费", "订单状态 ", 1), detail), "0.csv:1: 订单状态: the column stands twice"},
		"empty":               {tmall("", detail), "0.csv:1: the file is empty"},
		"a header of quotes":  {tmall(`"a`, detail), "0.csv:1: a quote is opened and never closed"},
		"a Tmall list":        {douyin(list), "0.csv:1: columns are missing for a Douyin export: 主订单编号, 子订单编号"},
		"Douyin without time": {douyin(strings.Replace(douyinHeader, "订单提交时间", "提交", 1)), "支付完成时间 or 订单提交时间"},
		"random text":         {douyin("hello\nworld\n"), "columns are missing"},
	} {
		if _, ok := errors.AsType[export.Refusal](test.err); !ok || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, test.err, test.want)
		}
	}
}

func TestEncodingsThatAreRefused(t *testing.T) {
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(douyinHeader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string][2]string{"UTF-16": {utf16, "wrong_encoding"}, "binary": {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00", "not_text"}} {
		_, err := export.NewCSV(strings.NewReader(test[0]), export.EncodingAuto)
		if refusal, ok := errors.AsType[*loyalty.Error](err); !ok || refusal.Code != test[1] {
			t.Errorf("%s: %v, want %s", name, err, test[1])
		}
	}
	// The wrong name for the encoding: the header is nonsense and the refusal
	// says what to try.
	_, err = export.Douyin("flagship", now, csvFile(t, "d.csv", douyinHeader, export.EncodingGB18030))
	if err == nil || !strings.Contains(err.Error(), "--encoding") {
		t.Errorf("%v, want a hint at the encoding", err)
	}
}

// A character that the sniffed piece cuts in two must not make UTF-8 look like
// GBK.
func TestCharacterAcrossTheSniffedPiece(t *testing.T) {
	for shift := range 4 {
		content := douyinHeader + strings.Repeat("x", shift) + strings.Repeat("奶", 60000) + "\n"
		file := csvFile(t, "d.csv", content, export.EncodingAuto)
		if _, err := export.Douyin("flagship", now, file); err != nil {
			t.Errorf("shift %d: %v", shift, err)
		}
	}
}

func TestBrokenDiskIsTold(t *testing.T) {
	broken := io.MultiReader(strings.NewReader(douyinHeader+strings.Repeat("\n", 200<<10)), errReader{})
	rows, err := export.NewCSV(broken, export.EncodingAuto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := export.Douyin("flagship", now, export.File{Name: "d.csv", Rows: rows}); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("%v, want the disk's error", err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func fuzzResult(t *testing.T, result export.Result, err error) {
	t.Helper()
	if err != nil {
		return
	}
	for _, order := range result.Orders {
		var paid, refunded loyalty.Fen
		for _, event := range order.Events() {
			if err := event.Validate(now); err != nil {
				t.Errorf("an invalid event: %v", err)
			}
			for _, line := range event.Lines {
				paid += line.Paid
				refunded += line.RefundedTotal
			}
		}
		if paid != order.Paid || refunded != order.Refunded || refunded > paid || order.Events()[0].Type != orders.TypePaid {
			t.Errorf("%+v does not add up", order)
		}
	}
}

func FuzzTmall(f *testing.F) {
	f.Add(string(fixture(f, "tmall_list.gbk.csv")), string(fixture(f, "tmall_detail.gbk.csv")))
	f.Add(tmallList+"1,1.00,10.00,交易成功,2026-11-01 10:00:00,-\n", tmallDetail+"1,1,1,10.00,退款成功,5.00\n")
	f.Add("\xff\xfe", "\"\n\"\"\r")
	f.Fuzz(func(t *testing.T, list, detail string) {
		lists, err := export.NewCSV(strings.NewReader(list), export.EncodingAuto)
		if err != nil {
			return
		}
		details, err := export.NewCSV(strings.NewReader(detail), export.EncodingAuto)
		if err != nil {
			return
		}
		result, err := export.Tmall("flagship", now, export.File{Name: "l", Rows: lists}, export.File{Name: "d", Rows: details})
		fuzzResult(t, result, err)
	})
}

func FuzzDouyin(f *testing.F) {
	f.Add(string(fixture(f, "douyin.utf8bom.csv")))
	f.Add(douyinHeader + "1,1;2,1;1,A;B,1.00;2.00,0.00,-,2026-10-01 10:00:00,-,已发货,退款成功\n")
	f.Add(douyinHeader + "\"\"\"\n;;;")
	f.Fuzz(func(t *testing.T, content string) {
		rows, err := export.NewCSV(strings.NewReader(content), export.EncodingAuto)
		if err != nil {
			return
		}
		result, err := export.Douyin("flagship", now, export.File{Name: "d", Rows: rows})
		fuzzResult(t, result, err)
	})
}

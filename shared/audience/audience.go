// Package audience decides who belongs to an audience (人群包): a rule over what
// is known of a member, such as
//
//	orders >= 2 and aov_fen > 20000 and categories["milk-powder"].days_since > 28
//
// The language is that of github.com/expr-lang/expr without its functions,
// closures and variables: comparisons, arithmetic, and, or, not, in, matches,
// contains, startsWith, endsWith, and a ? b : c. A rule reads nothing but the
// member it is given, so that it answers the same for the same member, always.
package audience

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/huitou/huitou/shared/loyalty"
)

// Definition is an audience as an operator writes it.
type Definition struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Rule string `json:"rule"`
}

var id = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate refuses (KindInvalid, with the pointer of the first field that is
// wrong) an audience that could not be kept.
func (d Definition) Validate() error {
	switch {
	case !id.MatchString(d.ID):
		return loyalty.Invalid("/id", "malformed", "an id has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	case len(d.Name) > 200:
		return loyalty.Invalid("/name", "too_long", "a name has at most 200 bytes")
	}
	_, err := Compile(d.Rule)
	return err
}

// Bounds of a rule. The number of nodes bounds how long one evaluation can
// take: there is no loop in the language.
const (
	MaxRuleSize = 4 << 10 // bytes
	maxNodes    = 500
	maxRange    = 10_000 // of "in 1..n"
)

// Member is what a rule can ask about a member; the tag is the name in the
// rule. Money is in fen. Days are counted by Days in the brand's calendar and
// are a fraction of no day; what never happened is Never days ago, which is
// neither more nor less than any number, so that
// "days_since_last > 60" finds no one who never bought.
type Member struct {
	Orders          int      `expr:"orders"`
	Paid            int      `expr:"paid_fen"` // net paid goods of all orders, refunds not taken off
	Refunded        int      `expr:"refunded_fen"`
	AverageOrder    int      `expr:"aov_fen"`         // (paid − refunded) ÷ orders, rounded down (客单价); 0 without orders
	DaysSinceLast   float64  `expr:"days_since_last"` // since the last purchase of any category
	JoinedDays      float64  `expr:"joined_days"`
	Home            string   `expr:"home"` // channel of the first order, "" before it
	PointsAvailable int      `expr:"points_available"`
	PointsPending   int      `expr:"points_pending"`
	Consents        Consents `expr:"consents"`

	// Categories are what the member bought of each, in the rule
	// categories["milk-powder"]. One that is missing was never bought.
	Categories map[string]Category `expr:"-"`
}

// Consents are the purposes the member agrees to.
type Consents struct {
	Membership      bool `expr:"membership"`
	Marketing       bool `expr:"marketing"`
	Personalisation bool `expr:"personalisation"`
}

// Category is what a member bought of one category.
type Category struct {
	Count     int     `expr:"count"`    // purchases that were not refunded whole
	Quantity  int     `expr:"quantity"` // units in them
	DaysSince float64 `expr:"days_since"`
}

// Never is how many days ago something was that did not happen.
func Never() float64 { return math.NaN() }

// Days counts the calendar days from one instant to another in a zone: from
// 23:59 to 00:01 is one day. It is Never for the zero time, and 0 for an
// instant that is still to come.
func Days(since, now time.Time, zone *time.Location) float64 {
	if since.IsZero() {
		return Never()
	}
	return max(0, midnight(now, zone).Sub(midnight(since, zone)).Hours()/24)
}

// midnight is the beginning of the day, on a calendar without summer time.
func midnight(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// Rule is a compiled rule. It is not safe for concurrent use.
type Rule struct {
	program    *vm.Program
	machine    *vm.VM
	categories []string // those the rule names
	scope      *scope
}

// scope is what the identifiers of a compiled rule stand for. The rule's
// categories["x"] became bought[n], whose name nobody can write.
type scope struct {
	Member
	Bought []*Category `expr:"#bought"`
}

const (
	nameCategories = "categories"
	nameBought     = "#bought"
)

// Compile reads a rule. It refuses with KindInvalid at "/rule" what is not a
// rule, telling where: the code is "required", "too_long" or "malformed".
func Compile(text string) (*Rule, error) {
	switch {
	case text == "":
		return nil, loyalty.Invalid("/rule", "required", "an audience has a rule; \"true\" is everybody")
	case len(text) > MaxRuleSize:
		return nil, loyalty.Invalid("/rule", "too_long", fmt.Sprintf("a rule has at most %d bytes", MaxRuleSize))
	}
	restrict := &restriction{slots: map[string]int{}}
	// The scope is declared by value: for a pointer the compiler would look up
	// every field by its name, at each evaluation, and take twice as long.
	program, err := expr.Compile(text, expr.Env(scope{}), expr.AsBool(), expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes), expr.Patch(restrict))
	if restrict.refusal != nil {
		err = restrict.refusal.Bind(file.NewSource(text))
	}
	if err != nil {
		return nil, loyalty.Invalid("/rule", "malformed", err.Error())
	}
	rule := &Rule{program: program, machine: &vm.VM{}, categories: restrict.categories, scope: &scope{}}
	for range rule.categories {
		rule.scope.Bought = append(rule.scope.Bought, &Category{})
	}
	return rule, nil
}

// Match tells whether the member belongs to the audience. It fails with
// KindInvalid code "rule_failed" where the rule divides by zero.
func (r *Rule) Match(member Member) (bool, error) {
	r.scope.Member = member
	for i, name := range r.categories {
		bought, ok := member.Categories[name]
		if !ok {
			bought.DaysSince = Never()
		}
		*r.scope.Bought[i] = bought
	}
	result, err := r.machine.Run(r.program, r.scope)
	if err != nil {
		return false, loyalty.Refuse(loyalty.KindInvalid, "rule_failed", "the rule cannot be evaluated for a member: it divides by zero")
	}
	matches, ok := result.(bool)
	if !ok {
		return false, errors.New("audience: a rule compiled to something that is not a bool")
	}
	return matches, nil
}

// restriction refuses the parts of the language that loop, call, or reach the
// environment as a whole, and gives each category the rule names a slot.
type restriction struct {
	refusal    *file.Error // the first
	slots      map[string]int
	categories []string
}

func (r *restriction) refuse(node ast.Node, why string) {
	if r.refusal == nil {
		r.refusal = &file.Error{Location: node.Location(), Message: why}
	}
}

// Visit is called for every node, its parts first.
func (r *restriction) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.ConstantNode,
		*ast.UnaryNode, *ast.ConditionalNode, *ast.ArrayNode:
	case *ast.IdentifierNode:
		if n.Value == "$env" || n.Value == "Member" { // the scope itself, and its embedded part
			r.refuse(n, "unknown name "+n.Value)
		}
	case *ast.BinaryNode:
		if n.Operator == ".." && !constantRange(n) {
			r.refuse(n, fmt.Sprintf("a range runs between two whole numbers at most %d apart", maxRange))
		}
	case *ast.MemberNode:
		if whole, ok := n.Node.(*ast.IdentifierNode); ok && whole.Value == nameCategories {
			r.slot(n, whole)
		}
	case *ast.CallNode:
		r.refuse(n, "a rule calls no functions")
	default:
		r.refuse(n, "a rule holds comparisons, arithmetic, and, or, not and in; nothing else")
	}
}

func (r *restriction) slot(member *ast.MemberNode, whole *ast.IdentifierNode) {
	name, ok := member.Property.(*ast.StringNode)
	if !ok {
		r.refuse(member, `a category is written categories["name"]`)
		return
	}
	slot, known := r.slots[name.Value]
	if !known {
		slot = len(r.categories)
		r.slots[name.Value] = slot
		r.categories = append(r.categories, name.Value)
	}
	whole.Value = nameBought
	index := &ast.IntegerNode{Value: slot}
	index.SetLocation(name.Location())
	member.Property = index
}

func constantRange(n *ast.BinaryNode) bool {
	from, ok := n.Left.(*ast.IntegerNode)
	if !ok {
		return false
	}
	to, ok := n.Right.(*ast.IntegerNode)
	return ok && to.Value-from.Value <= maxRange
}

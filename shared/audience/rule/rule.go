// Package rule compiles and evaluates the rules of audiences. It stands apart
// from package audience because the engine it uses keeps every exported method
// of a program from being left out by the linker: only who evaluates rules
// should pay for that.
package rule

import (
	"errors"
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/loyalty"
)

// Bounds of a rule. The number of nodes bounds how long one evaluation can
// take: there is no loop in the language.
const (
	MaxRuleSize = 4 << 10 // bytes
	maxNodes    = 500
	maxRange    = 10_000 // of "in 1..n"
)

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
	audience.Member
	Bought []*audience.Category `expr:"#bought"`
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
		rule.scope.Bought = append(rule.scope.Bought, &audience.Category{})
	}
	return rule, nil
}

// Match tells whether the member belongs to the audience. It fails with
// KindInvalid code "rule_failed" where the rule divides by zero.
func (r *Rule) Match(member audience.Member) (bool, error) {
	r.scope.Member = member
	for i, name := range r.categories {
		bought, ok := member.Categories[name]
		if !ok {
			bought.DaysSince = audience.Never()
		}
		*r.scope.Bought[i] = bought
	}
	result, err := r.machine.Run(r.program, r.scope)
	if err != nil {
		return false, loyalty.Refuse(loyalty.KindInvalid, "rule_failed", "the rule cannot be evaluated for a member: it divides by zero")
	}
	matches, ok := result.(bool)
	if !ok {
		return false, errors.New("rule: a rule compiled to something that is not a bool")
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

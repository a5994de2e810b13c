package dynamo

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

type attributes = map[string]types.AttributeValue

func encode(value table.Value) types.AttributeValue {
	if value.IsString() {
		return &types.AttributeValueMemberS{Value: value.Text()}
	}
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(value.Int(), 10)}
}

func encodeKey(key table.Key) attributes {
	return attributes{"pk": encode(table.String(key.PK)), "sk": encode(table.String(key.SK))}
}

func encodeItem(item table.Item) attributes {
	encoded := make(attributes, len(item.Attributes)+2)
	encoded["pk"], encoded["sk"] = encode(table.String(item.Key.PK)), encode(table.String(item.Key.SK))
	for name, value := range item.Attributes {
		encoded[name] = encode(value)
	}
	return encoded
}

// decodeItem refuses what this package would not have written: it came from
// somebody else, and guessing what it means would be worse than to stop.
func decodeItem(encoded attributes) (table.Item, error) {
	item := table.Item{Attributes: make(map[string]table.Value, len(encoded))}
	for name, value := range encoded {
		var decoded table.Value
		switch value := value.(type) {
		case *types.AttributeValueMemberS:
			decoded = table.String(value.Value)
		case *types.AttributeValueMemberN:
			n, err := strconv.ParseInt(value.Value, 10, 64)
			if err != nil {
				return item, foreign(fmt.Sprintf("attribute %q is no whole number of 64 bits", name))
			}
			decoded = table.Number(n)
		default:
			return item, foreign(fmt.Sprintf("attribute %q is a %T", name, value))
		}
		switch name {
		case "pk":
			item.Key.PK = decoded.Text()
		case "sk":
			item.Key.SK = decoded.Text()
		default:
			item.Attributes[name] = decoded
		}
	}
	if item.Key.PK == "" || item.Key.SK == "" {
		return item, foreign("an item has no key")
	}
	return item, nil
}

func foreign(what string) error {
	return loyalty.Refuse(loyalty.KindInternal, "foreign_item", what)
}

// text is a string attribute, "" where there is none.
func text(encoded attributes, name string) string {
	if value, ok := encoded[name].(*types.AttributeValueMemberS); ok {
		return value.Value
	}
	return ""
}

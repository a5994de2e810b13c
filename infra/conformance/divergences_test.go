//go:build conformance

package conformance

import (
	"github.com/huitou/huitou/infra/conformance/reference"
	"github.com/huitou/huitou/shared/table/tabletest"
)

// divergences are where each reference is known to differ from DynamoDB.
var divergences = map[string][]tabletest.Divergence{
	reference.Dynoxide.Name: {{
		Case:   "a scan goes on after the item it stopped at is gone",
		What:   "a Scan ends early when the item of ExclusiveStartKey was deleted",
		Source: "DynamoDB API Reference, Scan: ExclusiveStartKey is a key, not an item; DynamoDB Local 3.3.1 goes on",
	}},
	reference.DynamoDBLocal.Name: {
		{
			Case:   "query pages hold at most 1 MB*",
			What:   "a page holds the item that crosses 1 MB, too",
			Source: "DynamoDB Developer Guide, Paginating table query results: each page is 1 MB or less",
		},
		{
			Case:   "write units: check alone of a large item",
			What:   "a condition check is not paid by the size of its item",
			Source: "DynamoDB Developer Guide, Transactions, Capacity management: two underlying operations for every item in the transaction; dynoxide agrees",
		},
		{
			Case:   "write units: transaction of*",
			What:   "the sizes of all items of a transaction are added before rounding up",
			Source: "DynamoDB Developer Guide, Read and write operations: two write units for one write per second of an item up to 1 KB; dynoxide agrees",
		},
		{
			Case:   "write units: transaction: *",
			What:   "index entries are doubled, and items are rounded up together",
			Source: "DynamoDB Developer Guide, Transactions: changes reach the indexes after the transaction, asynchronously; dynoxide agrees",
		},
		{
			Case:   "random writes: units",
			What:   "as the units of transactions above",
			Source: "as above",
		},
		{
			Case:   "read units: get some there, some not",
			What:   "BatchGetItem costs nothing for a key without item",
			Source: "DynamoDB Developer Guide, Read and write operations: reading an item that does not exist consumes units; dynoxide agrees",
		},
		{
			Case:   "read units: query nothing there",
			What:   "an empty page costs nothing",
			Source: "the same passage of the Developer Guide; dynoxide agrees",
		},
		{
			Case:   "read units: an index of keys counts keys",
			What:   "an empty page costs nothing",
			Source: "the same passage of the Developer Guide; dynoxide agrees",
		},
	},
}

package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/huitou/huitou/shared/table"
)

// Create makes the table with the indexes of table.Indexes, paid by request,
// and waits until it can be used. It is for tests against reference engines:
// in an account, template.yaml makes the table.
func Create(ctx context.Context, client *dynamodb.Client, tableName string) error {
	keys := func(pk, sk string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
		}
	}
	attributes := func(pk, sk string) []types.AttributeDefinition {
		return []types.AttributeDefinition{
			{AttributeName: aws.String(pk), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(sk), AttributeType: types.ScalarAttributeTypeS},
		}
	}
	input := &dynamodb.CreateTableInput{
		TableName: &tableName, BillingMode: types.BillingModePayPerRequest,
		KeySchema: keys("pk", "sk"), AttributeDefinitions: attributes("pk", "sk"),
	}
	for _, index := range table.Indexes {
		projection := types.ProjectionTypeAll
		if index.KeysOnly {
			projection = types.ProjectionTypeKeysOnly
		}
		input.AttributeDefinitions = append(input.AttributeDefinitions, attributes(index.PK, index.SK)...)
		input.GlobalSecondaryIndexes = append(input.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: &index.Name, KeySchema: keys(index.PK, index.SK), Projection: &types.Projection{ProjectionType: projection},
		})
	}
	if _, err := client.CreateTable(ctx, input); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	wait := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	})
	if err := wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &tableName}, time.Minute); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	return nil
}

// Package boottable opens the brand's table on DynamoDB.
package boottable

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table/dynamo"
)

// Store is the table that TABLE_NAME names.
func Store(env *boot.Environment) store.Store {
	client := dynamodb.New(dynamodb.Options{
		Region: env.AWS.Region, Credentials: env.AWS.Credentials,
		HTTPClient: env.AWS.HTTPClient, BaseEndpoint: env.AWS.BaseEndpoint,
	})
	return store.Store{Table: dynamo.New(client, env.Variable("TABLE_NAME"))}
}

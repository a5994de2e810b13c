//go:build conformance

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/huitou/huitou/shared/table/tabletest"
)

// reference is a DynamoDB engine of other people's.
type reference struct {
	name    string
	needs   []string // programs
	how     string   // to get them
	fetch   func(ctx context.Context, folder string) error
	command func(folder string, port int) []string
	known   []tabletest.Divergence
}

var references = []reference{dynoxide, dynamoDBLocal}

const dynoxideVersion = "3.0.0"

// dynoxide is an emulator on SQLite (MIT or Apache-2.0), built from source.
var dynoxide = reference{
	name:  "dynoxide " + dynoxideVersion,
	needs: []string{"cargo"},
	how:   "install Rust (apt-get install cargo, or rustup)",
	fetch: func(ctx context.Context, folder string) error {
		return run(ctx, "cargo", "install", "dynoxide-rs", "--locked", "--version", dynoxideVersion, "--root", folder)
	},
	command: func(folder string, port int) []string {
		return []string{filepath.Join(folder, "bin", "dynoxide"), "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--log", "quiet"}
	},
	known: []tabletest.Divergence{{
		Case:   "a scan goes on after the item it stopped at is gone",
		What:   "a Scan ends early when the item of ExclusiveStartKey was deleted",
		Source: "DynamoDB API Reference, Scan: ExclusiveStartKey is a key, not an item; DynamoDB Local 3.3.1 goes on",
	}},
}

const dynamoDBLocalVersion = "3.3.1"

// dynamoDBLocal is Amazon's own, for people with an AWS account; not to be
// passed on.
var dynamoDBLocal = reference{
	name:  "Amazon DynamoDB Local " + dynamoDBLocalVersion,
	needs: []string{"java", "mvn"},
	how:   "install Java 17 and Maven (apt-get install openjdk-17-jre-headless maven)",
	fetch: func(ctx context.Context, folder string) error {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		pom := filepath.Join(folder, "pom.xml")
		if err := os.WriteFile(pom, []byte(dynamoDBLocalPOM), 0o644); err != nil {
			return err
		}
		return run(ctx, "mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(folder, "lib"))
	},
	command: func(folder string, port int) []string {
		return []string{
			"java", "-cp", filepath.Join(folder, "lib", "*"), "software.amazon.dynamodb.services.local.main.ServerRunner",
			"-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port),
		}
	},
	known: []tabletest.Divergence{
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

// DynamoDB Local names parts of the AWS SDK that were never published in the
// version it asks for; those it loads are taken from the last one that was.
const dynamoDBLocalPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>huitou</groupId><artifactId>reference</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId><version>` + dynamoDBLocalVersion + `</version>
      <exclusions>
        <exclusion><groupId>software.amazon.awssdk</groupId><artifactId>cognitoidentity</artifactId></exclusion>
        <exclusion><groupId>software.amazon.awssdk</groupId><artifactId>cognitoidentityprovider</artifactId></exclusion>
        <exclusion><groupId>software.amazon.awssdk</groupId><artifactId>pinpoint</artifactId></exclusion>
        <exclusion><groupId>software.amazon.awssdk</groupId><artifactId>dynamodb-enhanced</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency><groupId>software.amazon.awssdk</groupId><artifactId>pinpoint</artifactId><version>2.40.0</version></dependency>
    <dependency><groupId>software.amazon.awssdk</groupId><artifactId>cognitoidentity</artifactId><version>2.40.0</version></dependency>
  </dependencies>
</project>
`

// start fetches the reference unless it is in the cache, starts it on loopback
// and gives a client; it ends with the test.
func (r reference) start(t *testing.T) (*dynamodb.Client, error) {
	for _, program := range r.needs {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is missing: %s", program, r.how)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "huitou", fileName(r.name))
	fetched := filepath.Join(folder, "fetched")
	if _, err := os.Stat(fetched); errors.Is(err, os.ErrNotExist) {
		t.Logf("fetching %s into %s; this can take minutes", r.name, folder)
		if err := r.fetch(t.Context(), folder); err != nil {
			return nil, fmt.Errorf("fetch: %w", err)
		}
		if err := os.WriteFile(fetched, nil, 0o644); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := r.command(folder, port)
	process := exec.Command(command[0], command[1:]...)
	process.Dir = t.TempDir()
	process.Stdout, process.Stderr = io.Discard, os.Stderr
	if err := process.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	t.Cleanup(func() {
		_ = process.Process.Kill()
		<-ended
	})
	client := connect(fmt.Sprintf("http://127.0.0.1:%d", port))
	return client, ready(t.Context(), client, ended)
}

// ready asks until the reference answers.
func ready(ctx context.Context, client *dynamodb.Client, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := client.ListTables(ctx, &dynamodb.ListTablesInput{})
		if err == nil {
			return nil
		}
		select {
		case cause := <-ended:
			ended <- cause
			return fmt.Errorf("it ended at once: %w", cause)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-tick.C:
		}
	}
}

func run(ctx context.Context, name string, arguments ...string) error {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func fileName(name string) string {
	out := []byte(name)
	for i, letter := range out {
		if letter == ' ' {
			out[i] = '-'
		}
	}
	return string(out)
}

func connect(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "dummy", SecretAccessKey: "dummy"}, nil
		}),
	})
}

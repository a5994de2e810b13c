// Package reference fetches and starts DynamoDB engines of other people's, on
// loopback, for the tests that need one. They are kept in the user's cache
// folder, never in the repository: Amazon's licence for DynamoDB Local does
// not allow to pass it on.
package reference

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
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Engine is a DynamoDB engine of other people's.
type Engine struct {
	Name    string   // with its version
	runsOn  []string // programs that it needs
	fetchBy []string // programs that fetching it needs
	how     string   // to get all of them
	fetch   func(ctx context.Context, folder string) error
	command func(folder string, port int) []string
}

// Engines are all that are known, the quickest to start first.
var Engines = []Engine{Dynoxide, DynamoDBLocal}

const dynoxideVersion = "3.0.0"

// Dynoxide is an emulator on SQLite (MIT or Apache-2.0), built from source.
var Dynoxide = Engine{
	Name:    "dynoxide " + dynoxideVersion,
	fetchBy: []string{"cargo"},
	how:     "install Rust (apt-get install cargo, or rustup)",
	fetch: func(ctx context.Context, folder string) error {
		return run(ctx, "cargo", "install", "dynoxide-rs", "--locked", "--version", dynoxideVersion, "--root", folder)
	},
	command: func(folder string, port int) []string {
		return []string{filepath.Join(folder, "bin", "dynoxide"), "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--log", "quiet"}
	},
}

const dynamoDBLocalVersion = "3.3.1"

// DynamoDBLocal is Amazon's own, for people with an AWS account; not to be
// passed on.
var DynamoDBLocal = Engine{
	Name:    "Amazon DynamoDB Local " + dynamoDBLocalVersion,
	runsOn:  []string{"java"},
	fetchBy: []string{"mvn"},
	how:     "install Java 17 and Maven (apt-get install openjdk-17-jre-headless maven)",
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

// Server is an engine that runs.
type Server struct {
	Endpoint string // "http://127.0.0.1:…"
	Client   *dynamodb.Client

	process *exec.Cmd
	ended   chan error
}

// First starts the first engine that can be had. Its error says of each what
// is missing; say tells what takes long.
func First(ctx context.Context, folder string, say func(format string, args ...any)) (*Server, Engine, error) {
	var missing []error
	for _, engine := range Engines {
		server, err := engine.Start(ctx, folder, say)
		if err == nil {
			return server, engine, nil
		}
		missing = append(missing, fmt.Errorf("%s: %w", engine.Name, err))
	}
	return nil, Engine{}, errors.Join(missing...)
}

// Start fetches the engine unless it is in the cache and starts it in the
// folder, with nothing in its tables. The caller closes it.
func (e Engine) Start(ctx context.Context, folder string, say func(format string, args ...any)) (*Server, error) {
	if err := e.have(e.runsOn); err != nil {
		return nil, err
	}
	cache, err := e.cached(ctx, say)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := e.command(cache, port)
	s := &Server{Endpoint: fmt.Sprintf("http://127.0.0.1:%d", port), ended: make(chan error, 1)}
	s.process = exec.Command(command[0], command[1:]...)
	s.process.Dir = folder
	s.process.Stdout, s.process.Stderr = io.Discard, os.Stderr
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.process.Wait() }()
	s.Client = connect(s.Endpoint)
	if err := s.ready(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// cached is the folder that the engine was fetched into.
func (e Engine) cached(ctx context.Context, say func(format string, args ...any)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "huitou", strings.ReplaceAll(e.Name, " ", "-"))
	fetched := filepath.Join(folder, "fetched")
	if _, err := os.Stat(fetched); !errors.Is(err, os.ErrNotExist) {
		return folder, err
	}
	if err := e.have(e.fetchBy); err != nil {
		return "", err
	}
	say("fetching %s into %s; this can take minutes", e.Name, folder)
	if err := e.fetch(ctx, folder); err != nil {
		return "", fmt.Errorf("fetch: %w", err)
	}
	return folder, os.WriteFile(fetched, nil, 0o644)
}

func (e Engine) have(programs []string) error {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing: %s", program, e.how)
		}
	}
	return nil
}

// Close kills the engine and waits for its end.
func (s *Server) Close() {
	_ = s.process.Process.Kill() // it may have ended by itself
	s.ended <- <-s.ended
}

// ready asks until the engine answers.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := s.Client.ListTables(ctx, &dynamodb.ListTablesInput{})
		if err == nil {
			return nil
		}
		select {
		case cause := <-s.ended:
			s.ended <- cause
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

func connect(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "dummy", SecretAccessKey: "dummy"}, nil
		}),
	})
}

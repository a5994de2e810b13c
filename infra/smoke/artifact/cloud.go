package artifact

import (
	"crypto/md5" // SQS's checksum of a body; the choice is not ours
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cloud answers what the functions ask of AWS, on loopback: the parameters and
// queues by itself, the table by an engine of other people's. It speaks the
// AWS JSON protocols 1.0 and 1.1, and of these the calls that the functions
// make.
type Cloud struct {
	URL string

	server     *http.Server
	tables     http.Handler // nil for none
	parameters map[string]string

	mu     sync.Mutex
	queues map[string][][]byte // by URL
}

// OpenCloud starts a Cloud with the parameters by their names; tables is the
// endpoint of a DynamoDB, "" for none. The caller closes it.
func OpenCloud(tables string, parameters map[string]string) (*Cloud, error) {
	c := &Cloud{parameters: parameters, queues: map[string][][]byte{}}
	if tables != "" {
		endpoint, err := url.Parse(tables)
		if err != nil {
			return nil, err
		}
		c.tables = httputil.NewSingleHostReverseProxy(endpoint)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.URL = "http://" + listener.Addr().String()
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_ = c.server.Serve(listener) // it ends with ErrServerClosed, by Close
	}()
	return c, nil
}

// Close ends it.
func (c *Cloud) Close() error { return c.server.Close() }

// environment is what Lambda sets, and where its AWS is.
func (c *Cloud) environment() []string {
	return []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=smoke", "AWS_SECRET_ACCESS_KEY=smoke", "AWS_SESSION_TOKEN=smoke",
		"AWS_ENDPOINT_URL=" + c.URL,
	}
}

// Take returns what was sent to a queue, by its URL, and empties it.
func (c *Cloud) Take(queue string) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	bodies := c.queues[queue]
	delete(c.queues, queue)
	return bodies
}

// ServeHTTP answers one call by the header that names it.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, "DynamoDB_20120810.") && c.tables != nil:
		c.tables.ServeHTTP(w, r)
	case target == "AmazonSSM.GetParameters":
		c.getParameters(w, r)
	case target == "AmazonSQS.SendMessageBatch":
		c.sendMessageBatch(w, r)
	default:
		refuse(w, http.StatusBadRequest, "UnknownOperationException")
	}
}

func (c *Cloud) getParameters(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Names []string }
	if json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Names) == 0 || len(asked.Names) > 10 {
		refuse(w, http.StatusBadRequest, "ValidationException")
		return
	}
	found, unknown := []map[string]any{}, []string{}
	for _, name := range asked.Names {
		if value, known := c.parameters[name]; known {
			found = append(found, map[string]any{"Name": name, "Type": "SecureString", "Value": value, "Version": 1})
		} else {
			unknown = append(unknown, name)
		}
	}
	answer(w, map[string]any{"Parameters": found, "InvalidParameters": unknown})
}

func (c *Cloud) sendMessageBatch(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []struct {
			ID   string `json:"Id"`
			Body string `json:"MessageBody"`
		}
	}
	if json.NewDecoder(r.Body).Decode(&sent) != nil || len(sent.Entries) == 0 || len(sent.Entries) > 10 {
		refuse(w, http.StatusBadRequest, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
		return
	}
	taken := make([]map[string]string, len(sent.Entries))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, entry := range sent.Entries {
		c.queues[sent.QueueURL] = append(c.queues[sent.QueueURL], []byte(entry.Body))
		sum := md5.Sum([]byte(entry.Body))
		taken[i] = map[string]string{"Id": entry.ID, "MessageId": "smoke-" + strconv.Itoa(i), "MD5OfMessageBody": hex.EncodeToString(sum[:])}
	}
	answer(w, map[string]any{"Successful": taken, "Failed": []any{}})
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(body) // a function that went away shows as an exit
}

func refuse(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": kind}) // as above
}

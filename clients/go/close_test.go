package socketpass

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

func TestTheEnd(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		conn := &fakeConn{}
		open(t, client, "/", conn)
		r, _ := ask(client, get("/"))
		report := welcomed(t, server)
		said := make(chan bool, 1)
		go func() {
			for request := range report.Requests {
				if b := request.GetBatch(); b != nil {
					report.Ack(b.Sequence)
				}
				if request.GetGoodbye() != nil {
					said <- true
					time.Sleep(time.Second)
					report.End(nil)
				}
			}
		}()
		synctest.Wait()
		start := time.Now()
		for range 2 { // It may be called again.
			if err := client.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != time.Second || !<-said {
			t.Errorf("it takes %v", took)
		}
		if got := fmt.Sprint(conn.closes()); got != "[{4001 gateway_draining}]" {
			t.Errorf("closed with %v", got)
		}
		late := &fakeConn{}
		if _, err := Track(r.Context(), late); !errors.Is(err, ErrClosed) || fmt.Sprint(late.closes()) != "[{4001 gateway_draining}]" {
			t.Errorf("%v, closed with %v", err, late.closes())
		}
	})
}

func TestWhoComesWhileTheClientClosesIsRejected(t *testing.T) {
	for _, config := range []Config{{}, {OnUnavailable: Accept}} {
		config.Fail = func(*http.Request, *Decision) error {
			t.Error("a hook is asked")
			return nil
		}
		client, server, _ := begin(t, config)
		asked := 0
		server.Decide(func(context.Context, *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
			asked++
			client.Close(t.Context()) // While the decision is on its way.
			return scripted.Ana(), nil
		})
		for range 2 {
			through, response := ask(client, get("/"))
			body, _ := io.ReadAll(response.Body)
			if through != nil || response.StatusCode != 503 ||
				string(body) != `{"code":4001,"reason":"gateway_draining","message":"Gateway is shutting down"}` {
				t.Errorf("%d %s", response.StatusCode, body)
			}
		}
		if asked != 1 {
			t.Errorf("the service is asked %d times", asked)
		}
	}
}

func TestAGoodbyeThatNobodyAnswersIsNotWaitedForWithoutEnd(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		hangs := &fakeConn{hangs: make(chan struct{})}
		defer close(hangs.hangs)
		open(t, client, "/", hangs)
		listing(t, welcomed(t, server))
		synctest.Wait()
		start := time.Now()
		err := client.Close(context.Background())
		if took := time.Since(start); took != closeWithin+goodbyeWithin || !errors.Is(err, errNoEnd) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestCloseTakesNoLongerThanItsContext(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		listing(t, welcomed(t, server))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		err := client.Close(ctx)
		if took := time.Since(start); took != time.Second || !errors.Is(err, errNoEnd) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestCloseWithoutAStream(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		hello(t, <-server.Reports)
		start := time.Now()
		if err := client.Close(context.Background()); !errors.Is(err, errNoStream) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		(<-server.Reports).End(nil)
		synctest.Wait() // It is in its pause.
		if err := client.Close(context.Background()); !errors.Is(err, errNoStream) {
			t.Error(err)
		}
	})
}

func TestResultsGoBeforeGoodbye(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		report := welcomed(t, server)
		listing(t, report)
		report.Command(&pb.Command{CommandId: "c1"})
		synctest.Wait()
		go client.Close(context.Background())
		if request := <-report.Requests; request.GetCommandResult() == nil {
			t.Errorf("%v", request)
		}
		if request := <-report.Requests; request.GetGoodbye() == nil {
			t.Errorf("%v", request)
		}
		report.End(nil)
		synctest.Wait()
	})
}

package socketpass

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// The tests of the stream run in a time of their own, which passes when nothing else happens.
func inItsOwnTime(t *testing.T, config Config, test func(*testing.T, *Client, *scripted.Server, *logs)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server, logs := begin(t, config)
		test(t, client, server, logs)
	})
}

// hello takes a stream's first message.
func hello(t *testing.T, report *scripted.Report) *pb.Hello {
	t.Helper()
	request := <-report.Requests
	if request.GetHello() == nil {
		t.Fatalf("%v is no hello", request)
	}
	return request.GetHello()
}

// welcomed takes the next stream up to its welcome.
func welcomed(t *testing.T, server *scripted.Server) *scripted.Report {
	t.Helper()
	report := <-server.Reports
	hello(t, report)
	report.Welcome()
	return report
}

// batch takes the next message, which is a batch.
func batch(t *testing.T, report *scripted.Report) *pb.Batch {
	t.Helper()
	request := <-report.Requests
	if request.GetBatch() == nil {
		t.Fatalf("%v is no batch", request)
	}
	return request.GetBatch()
}

// listing takes the batches up to the one that completes, acks them, and answers with the sockets.
func listing(t *testing.T, report *scripted.Report) map[string]*pb.Socket {
	t.Helper()
	sockets := map[string]*pb.Socket{}
	for {
		b := batch(t, report)
		report.Ack(b.Sequence)
		for _, event := range b.Events {
			sockets[event.GetOpened().SocketId] = event.GetOpened()
		}
		if b.Complete {
			return sockets
		}
	}
}

// quiet fails when the gateway says anything within the time.
func quiet(t *testing.T, report *scripted.Report, d time.Duration) {
	t.Helper()
	select {
	case request := <-report.Requests:
		t.Fatalf("it says %v", request)
	case <-time.After(d):
	}
}

func TestAStreamFromHelloToWhatChanges(t *testing.T) {
	inItsOwnTime(t, Config{GatewayID: "chat-1", Labels: map[string]string{"zone": "eu"}}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		report := <-server.Reports
		h := hello(t, report)
		if h.GatewayId != "chat-1" || h.Labels["zone"] != "eu" || len(h.Incarnation) < 16 || len(h.Incarnation) > 64 {
			t.Errorf("%v", h)
		}
		early := open(t, client, "/chat", &fakeConn{})
		quiet(t, report, 10*time.Second) // Before the welcome.
		report.Welcome()
		first := batch(t, report)
		if first.Sequence != 1 || !first.Complete || len(first.Events) != 1 {
			t.Fatalf("%v", first)
		}
		s := first.Events[0].GetOpened()
		if s.SocketId != early.ID() || s.Namespace != "/chat" || s.SessionId != "session-of-ana" || s.RemoteAddress != "192.0.2.1:1234" ||
			s.User.Fields["name"].GetStringValue() != "Ana" || s.Data != nil || !s.ConnectedAt.AsTime().Equal(early.openedAt) {
			t.Errorf("%v", s)
		}
		report.Ack(1)
		time.Sleep(time.Second)

		start := time.Now()
		late := open(t, client, "/", &fakeConn{})
		second := batch(t, report)
		if time.Since(start) != 0 || second.Sequence != 2 || second.Complete || second.Events[0].GetOpened().SocketId != late.ID() {
			t.Errorf("after %v: %v", time.Since(start), second)
		}
		early.Release()
		early.Release()
		if err := late.SetData(map[string]any{"rooms": []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		third := batch(t, report)
		if took := time.Since(start); took != batchesApart || len(third.Events) != 2 {
			t.Fatalf("after %v: %v", took, third)
		}
		if third.Events[0].GetClosed().SocketId != early.ID() ||
			third.Events[1].GetOpened().Data.Fields["rooms"].GetListValue().Values[0].GetStringValue() != "a" {
			t.Errorf("%v", third)
		}
		report.Ack(3)
		late.Release()
		batch(t, report)
		report.Ack(4)
		if err := late.SetData(map[string]any{}); err != nil { // Is listed no more.
			t.Fatal(err)
		}
		quiet(t, report, scripted.Lease/4-time.Millisecond)
	})
}

func TestWhatLetInAgainstTheDecisionHasNoSession(t *testing.T) {
	inItsOwnTime(t, Config{OnUnavailable: Accept}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		answers(server, nil, status.Error(codes.Internal, ""))
		socket := open(t, client, "/", &fakeConn{})
		s := listing(t, welcomed(t, server))[socket.ID()]
		if s.SessionId != "" || s.User.Fields["logged_in"].GetBoolValue() || len(s.User.Fields) != 1 {
			t.Errorf("%v", s)
		}
	})
}

func TestALongListingGoesInBatches(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		for range 1200 {
			open(t, client, "/", &fakeConn{})
		}
		report := welcomed(t, server)
		start := time.Now()
		for i, want := range []int{500, 500, 200} {
			b := batch(t, report)
			if len(b.Events) != want || b.Sequence != uint64(i+1) || b.Complete != (i == 2) {
				t.Errorf("batch %d has %d events, complete %v", b.Sequence, len(b.Events), b.Complete)
			}
		}
		if took := time.Since(start); took != 2*batchesApart {
			t.Errorf("it takes %v", took)
		}
	})
}

func TestABatchIsNoLargerThanTheServiceTakes(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		for range 40 {
			if err := open(t, client, "/", &fakeConn{}).SetData(map[string]any{"x": strings.Repeat("x", 60_000)}); err != nil {
				t.Fatal(err)
			}
		}
		report := welcomed(t, server)
		for _, want := range []int{17, 17, 6} {
			if b := batch(t, report); len(b.Events) != want {
				t.Errorf("batch %d has %d events", b.Sequence, len(b.Events))
			}
		}
	})
}

func TestWhatIsTooLongForTheRegistryBreaksNoStream(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		socket := open(t, client, "/"+strings.Repeat("x", maxText), &fakeConn{})
		if err := socket.SetData(map[string]any{"x": strings.Repeat("x", maxData)}); err == nil || !strings.Contains(err.Error(), "65536") {
			t.Error(err)
		}
		if err := socket.SetData("no object"); err == nil {
			t.Error("a text can be data")
		}
		if s := listing(t, welcomed(t, server))[socket.ID()]; s.Namespace != "" || s.Data != nil || len(socket.Namespace()) != maxText+1 {
			t.Errorf("%v", s)
		}
	})
}

func TestNoSocketIsAnEmptyListing(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, _ *logs) {
		if b := batch(t, welcomed(t, server)); !b.Complete || len(b.Events) != 0 {
			t.Errorf("%v", b)
		}
	})
}

func TestASignOfLifeEveryQuarterOfTheLease(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, _ *logs) {
		report := welcomed(t, server)
		listing(t, report)
		for i := range 5 {
			start := time.Now()
			b := batch(t, report)
			report.Ack(b.Sequence)
			if took := time.Since(start); took != scripted.Lease/4 || len(b.Events) != 0 || b.Complete || b.Sequence != uint64(i+2) {
				t.Errorf("after %v: %v", took, b)
			}
		}
	})
}

func TestASocketThatOpensAndClosesMeanwhileIsNotTold(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		report := welcomed(t, server)
		listing(t, report) // The next batch is not due yet.
		open(t, client, "/", &fakeConn{}).Release()
		open(t, client, "/", &fakeConn{}).Release()
		quiet(t, report, scripted.Lease/4-time.Millisecond)
	})
}

func TestSixteenBatchesAreUnderWay(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		report := welcomed(t, server)
		for range batchesUnderWay {
			batch(t, report)
			open(t, client, "/", &fakeConn{})
		}
		for range 4 {
			open(t, client, "/", &fakeConn{})
		}
		quiet(t, report, time.Second)
		report.Ack(1)
		if b := batch(t, report); b.Sequence != batchesUnderWay+1 || len(b.Events) != 5 {
			t.Errorf("%v", b)
		}
		quiet(t, report, time.Second)
		report.Ack(3)
		batch(t, report)
	})
}

func TestWhateverItEndsWithAnotherStreamListsAgain(t *testing.T) {
	for _, code := range []codes.Code{codes.OK, codes.Unavailable, codes.Aborted, codes.AlreadyExists, codes.InvalidArgument,
		codes.ResourceExhausted, codes.DeadlineExceeded, codes.Unauthenticated, codes.PermissionDenied, codes.Internal, codes.Unimplemented} {
		t.Run(code.String(), func(t *testing.T) {
			inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, logs *logs) {
				stays := open(t, client, "/", &fakeConn{})
				goes := open(t, client, "/", &fakeConn{})
				report := <-server.Reports
				incarnation := hello(t, report).Incarnation
				report.Welcome()
				if n := len(listing(t, report)); n != 2 {
					t.Errorf("%d are listed", n)
				}
				start := time.Now()
				report.End(status.Error(code, "why"))
				synctest.Wait()
				goes.Release()
				again := <-server.Reports
				longest, shortest := shortestPause, shortestPause/2
				if code == codes.Unavailable {
					longest, shortest = jitter, 0
				}
				if took := time.Since(start); took > longest || took < shortest {
					t.Errorf("the next comes after %v", took)
				}
				if h := hello(t, again); h.Incarnation != incarnation {
					t.Error("it is another life")
				}
				again.Welcome()
				if listed := listing(t, again); len(listed) != 1 || listed[stays.ID()] == nil {
					t.Errorf("listed are %v", listed)
				}
				if logs.count("the stream to the registry ended") != 1 {
					t.Error(logs.text.String())
				}
			})
		})
	}
}

func TestPausesDoubleUntilAListing(t *testing.T) {
	inItsOwnTime(t, Config{GatewayID: "chat-1"}, func(t *testing.T, _ *Client, server *scripted.Server, logs *logs) {
		taken := status.Error(codes.AlreadyExists, "another process has it")
		(<-server.Reports).End(taken)
		for i := range 10 {
			start := time.Now()
			report := <-server.Reports
			longest := min(longestPause, shortestPause<<i)
			if took := time.Since(start); took < longest/2 || took > longest {
				t.Errorf("pause %d is %v", i, took)
			}
			report.End(taken)
		}
		if n := logs.count("look_at=GatewayID"); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
		welcomed(t, server).End(taken)
		start := time.Now()
		report := welcomed(t, server)
		if took := time.Since(start); took < longestPause/2 {
			t.Errorf("after a welcome alone the pause is %v", took)
		}
		listing(t, report)
		report.End(taken)
		start = time.Now()
		report = welcomed(t, server)
		if took := time.Since(start); took > shortestPause {
			t.Errorf("after a listing the pause is %v", took)
		}
		if n := logs.count("look_at=GatewayID"); n != 1 {
			t.Errorf("within a minute it is logged %d times", n)
		}
		listing(t, report)
		for begun := time.Now(); time.Since(begun) < causesApart; {
			report.Ack(batch(t, report).Sequence)
		}
		report.End(taken)
		<-server.Reports
		if n := logs.count("look_at=GatewayID"); n != 2 {
			t.Errorf("after a minute it is logged %d times", n)
		}
	})
}

func TestAServiceThatAlwaysSaysUnavailableIsNotAskedWithoutPause(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, _ *logs) {
		start := time.Now()
		for range 10 {
			(<-server.Reports).End(status.Error(codes.Unavailable, "no upstream"))
		}
		if took := time.Since(start); took < 10*time.Second {
			t.Errorf("ten streams within %v", took)
		}
	})
}

func TestNoWelcomeIsNotWaitedForWithoutEnd(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, logs *logs) {
		start := time.Now()
		report := <-server.Reports
		<-report.Gone
		if took := time.Since(start); took != welcomeWithin {
			t.Errorf("it is given up after %v", took)
		}
		<-server.Reports
		if logs.count("no welcome came within 20 s") != 1 {
			t.Error(logs.text.String())
		}
	})
}

func TestAStreamWithoutAcksIsGivenUp(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, logs *logs) {
		report := welcomed(t, server)
		batch(t, report)
		time.Sleep(3 * time.Second)
		report.Ack(1)
		for range 4 { // They are in time: each ack starts the wait over.
			report.Ack(batch(t, report).Sequence)
		}
		last := batch(t, report)
		if last.Sequence != 6 {
			t.Fatalf("%v", last)
		}
		start := time.Now()
		<-report.Gone
		if took := time.Since(start); took != scripted.Lease/2 {
			t.Errorf("it is given up after %v", took)
		}
		listing(t, welcomed(t, server))
		if logs.count("batches waited for their ack for half a lease") != 1 {
			t.Error(logs.text.String())
		}
	})
}

func TestAnAckOfSomeStartsTheWaitOver(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		report := welcomed(t, server)
		batch(t, report)
		open(t, client, "/", &fakeConn{})
		batch(t, report)
		time.Sleep(5 * time.Second)
		report.Ack(1)
		start := time.Now()
		<-report.Gone
		if took := time.Since(start); took != scripted.Lease/2 {
			t.Errorf("it is given up after %v", took)
		}
	})
}

func TestRejectedFieldsAreLoggedOnceForEachCause(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, logs *logs) {
		for range 2 {
			report := welcomed(t, server)
			batch(t, report)
			report.Ack(1, &pb.Rejection{SocketId: "a", Field: "user", Message: "too deep"}, &pb.Rejection{SocketId: "b", Field: "user", Message: "too deep"},
				&pb.Rejection{SocketId: "b", Field: "data", Message: "too deep"})
			synctest.Wait()
			report.End(nil)
		}
		<-server.Reports
		if logs.count("field=user") != 1 || logs.count("field=data") != 1 {
			t.Error(logs.text.String())
		}
	})
}

func TestAServiceThatIsAwayIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, logs := connect(t, Config{}, func(context.Context, string) (net.Conn, error) { return nil, errors.New("connection refused") })
		time.Sleep(welcomeWithin + time.Second)
		if logs.count("connection refused") != 1 || logs.count(`look_at="Address, TLS"`) != 1 {
			t.Error(logs.text.String())
		}
		if err := client.Close(context.Background()); !errors.Is(err, errNoStream) {
			t.Error(err)
		}
	})
}

func TestSocketsWithoutAStreamAreClosedInTime(t *testing.T) {
	inItsOwnTime(t, Config{CloseAfterLoss: 30 * time.Second, OnUnavailable: Accept}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		lost := []Close{{4000, "service_unavailable"}}
		closedAfter := func(conn *fakeConn, want time.Duration) {
			t.Helper()
			time.Sleep(want - time.Millisecond)
			synctest.Wait()
			if len(conn.closes()) != 0 {
				t.Fatalf("is closed before %v", want)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := conn.closes(); fmt.Sprint(got) != fmt.Sprint(lost) {
				t.Fatalf("after %v: %v", want, got)
			}
		}
		hour, first := &fakeConn{}, &fakeConn{}
		open(t, client, "/", hour)
		open(t, client, "/", first).Release() // One that has gone is let alone.
		report := welcomed(t, server)
		listing(t, report)
		go report.Obey(func(*pb.Socket) {})
		time.Sleep(time.Hour)
		if len(hour.closes()) != 0 {
			t.Fatal("is closed with a stream")
		}
		report.End(status.Error(codes.Unavailable, "going"))
		synctest.Wait()
		time.Sleep(10 * time.Second)
		second := &fakeConn{}
		open(t, client, "/", second)
		closedAfter(hour, 20*time.Second)
		closedAfter(second, 10*time.Second)
		if n := len(client.Sockets()); n != 0 || len(first.closes()) != 0 {
			t.Errorf("%d are open", n)
		}
		third := &fakeConn{}
		open(t, client, "/", third)
		for len(server.Reports) > 1 { // Those that were given up.
			<-server.Reports
		}
		(<-server.Reports).End(status.Error(codes.Unavailable, "going"))
		welcomed(t, server)
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if len(third.closes()) != 0 {
			t.Error("is closed after a stream was welcomed")
		}
	})
}

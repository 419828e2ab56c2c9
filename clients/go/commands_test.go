package socketpass

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

// commanded gives a command and answers with the ids that are done, in order.
func commanded(t *testing.T, report *scripted.Report, command *pb.Command) []string {
	t.Helper()
	report.Command(command)
	for request := range report.Requests {
		if result := request.GetCommandResult(); result != nil {
			if result.CommandId != command.CommandId {
				t.Errorf("%q is answered with %q", command.CommandId, result.CommandId)
			}
			slices.Sort(result.Done)
			return result.Done
		}
		report.Ack(request.GetBatch().Sequence)
	}
	t.Fatal("the command is not answered")
	return nil
}

func sorted(ids ...string) []string { slices.Sort(ids); return ids }

func TestDisconnect(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		conn, other := &fakeConn{}, &fakeConn{}
		socket := open(t, client, "/", conn)
		open(t, client, "/", other)
		report := welcomed(t, server)
		listing(t, report)
		command := &pb.Command{CommandId: "c1", Command: &pb.Command_Disconnect{Disconnect: &pb.Disconnect{
			SocketIds: []string{socket.ID(), "gone"},
			Close:     &pb.Close{Code: 4505, Reason: "disconnected"},
		}}}
		for range 2 { // It may come again.
			if done := commanded(t, report, command); !slices.Equal(done, sorted(socket.ID(), "gone")) {
				t.Errorf("done are %v", done)
			}
		}
		if got := fmt.Sprint(conn.closes()); got != "[{4505 disconnected}]" || len(other.closes()) != 0 {
			t.Errorf("closed with %v", got)
		}
		if n := len(client.Sockets()); n != 1 {
			t.Errorf("%d are open", n)
		}
	})
}

func TestAPeerThatDoesNotAnswerTheCloseHoldsUpNoCommand(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		conn := &fakeConn{hangs: make(chan struct{})}
		defer close(conn.hangs)
		socket := open(t, client, "/", conn)
		report := welcomed(t, server)
		listing(t, report)
		start := time.Now()
		done := commanded(t, report, &pb.Command{CommandId: "c1", Command: &pb.Command_Disconnect{Disconnect: &pb.Disconnect{
			SocketIds: []string{socket.ID()}, Close: &pb.Close{Code: 4505, Reason: "disconnected"}}}})
		if took := time.Since(start); took != closeWithin || len(done) != 1 {
			t.Errorf("after %v: %v", took, done)
		}
	})
}

func TestSend(t *testing.T) {
	send := func(ids ...string) *pb.Command {
		args, err := structpb.NewList([]any{map[string]any{"a": 1}, "x", nil, true})
		if err != nil {
			t.Fatal(err)
		}
		return &pb.Command{CommandId: "c1", Command: &pb.Command_Send{Send: &pb.Send{SocketIds: ids, Event: "news", Args: args.Values}}}
	}
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		conn, broken := &fakeConn{}, &fakeConn{broken: true}
		socket, other := open(t, client, "/", conn), open(t, client, "/", broken)
		report := welcomed(t, server)
		listing(t, report)
		if done := commanded(t, report, send(socket.ID(), other.ID(), "gone")); !slices.Equal(done, []string{socket.ID()}) {
			t.Errorf("done are %v", done)
		}
		if !slices.Equal(conn.sent, []string{`{"event":"news","args":[{"a":1},"x",null,true]}`}) {
			t.Errorf("sent is %q", conn.sent)
		}
	})
	own := func(event string, args []any) ([]byte, error) {
		if event == "news" {
			return fmt.Appendf(nil, "%s with %d", event, len(args)), nil
		}
		return nil, fmt.Errorf("no such event")
	}
	inItsOwnTime(t, Config{EncodeEvent: own}, func(t *testing.T, client *Client, server *scripted.Server, logs *logs) {
		conn := &fakeConn{}
		socket := open(t, client, "/", conn)
		report := welcomed(t, server)
		listing(t, report)
		if done := commanded(t, report, send(socket.ID())); len(done) != 1 || conn.sent[0] != "news with 4" {
			t.Errorf("done are %v, sent is %q", done, conn.sent)
		}
		command := send(socket.ID())
		command.GetSend().Event = "other"
		if done := commanded(t, report, command); len(done) != 0 || logs.count("no such event") != 1 {
			t.Errorf("done are %v", done)
		}
	})
}

func TestWithoutArgumentsTheyAreAnEmptyList(t *testing.T) {
	if text, err := encodeEvent("news", anysOf(nil)); err != nil || string(text) != `{"event":"news","args":[]}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestUserChanged(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		r, _ := ask(client, get("/"))
		socket, err := Track(r.Context(), &fakeConn{})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		blocked := make(chan struct{})
		socket.OnUserChanged(func(user User) {
			<-blocked // An application that takes its time.
			told = append(told, user["name"].(string))
		})
		report := welcomed(t, server)
		listing(t, report)
		for _, name := range []string{"Bea", "Cleo", "Dora"} {
			done := commanded(t, report, &pb.Command{CommandId: name, Command: &pb.Command_UserChanged{UserChanged: &pb.UserChanged{
				SocketIds: []string{"gone", socket.ID()},
				User:      scripted.Object(map[string]any{"logged_in": true, "name": name}),
			}}})
			if !slices.Equal(done, []string{socket.ID()}) {
				t.Errorf("done are %v", done)
			}
			if socket.User()["name"] != name || UserFrom(r.Context())["name"] != name {
				t.Errorf("the user is %v", socket.User())
			}
		}
		close(blocked)
		synctest.Wait()
		if strings.Join(told, " ") != "Bea Cleo Dora" {
			t.Errorf("told is %v", told)
		}
		if d, _ := DecisionFrom(r.Context()); d.User["name"] != "Ana" {
			t.Errorf("the decision has changed: %+v", d)
		}
		report.End(nil)
		if s := listing(t, welcomed(t, server))[socket.ID()]; s.User.Fields["name"].GetStringValue() != "Dora" {
			t.Errorf("the next listing has %v", s)
		}
	})
}

func TestACommandOfANewerServiceIsAnsweredWithNothingDone(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, _ *Client, server *scripted.Server, _ *logs) {
		report := welcomed(t, server)
		listing(t, report)
		if done := commanded(t, report, &pb.Command{CommandId: "c1"}); len(done) != 0 {
			t.Errorf("done are %v", done)
		}
	})
}

func TestInTheOrderOfTheCommands(t *testing.T) {
	inItsOwnTime(t, Config{}, func(t *testing.T, client *Client, server *scripted.Server, _ *logs) {
		conn := &fakeConn{}
		socket := open(t, client, "/", conn)
		report := welcomed(t, server)
		listing(t, report)
		const sends = 100
		var expected []string
		for i := range sends {
			report.Command(&pb.Command{CommandId: fmt.Sprint("send ", i), Command: &pb.Command_Send{Send: &pb.Send{
				SocketIds: []string{socket.ID()}, Event: "e", Args: []*structpb.Value{structpb.NewNumberValue(float64(i))},
			}}})
			expected = append(expected, fmt.Sprintf(`{"event":"e","args":[%d]}`, i))
		}
		report.Command(&pb.Command{CommandId: "close", Command: &pb.Command_Disconnect{Disconnect: &pb.Disconnect{
			SocketIds: []string{socket.ID()},
		}}})
		for answers := 0; answers < sends+1; {
			request := <-report.Requests
			if result := request.GetCommandResult(); result == nil {
				report.Ack(request.GetBatch().Sequence)
			} else if answers++; len(result.Done) != 1 {
				t.Errorf("%v", result)
			}
		}
		if !slices.Equal(conn.sent, expected) {
			t.Errorf("%d of %d came, or not in order", len(conn.sent), sends)
		}
		if got := fmt.Sprint(conn.closes()); got != "[{4505 disconnected}]" {
			t.Errorf("closed with %v", got)
		}
	})
}

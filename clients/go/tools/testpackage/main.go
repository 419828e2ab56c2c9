// Testpackage makes the module's zip as the Go proxy would, installs it into an empty module, and runs the README's example
// there, against a scripted socketpass. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/socketpass/socketpass/clients/go/internal/scripted"
	pb "github.com/socketpass/socketpass/clients/go/socketpassv1"
)

const (
	path    = "github.com/socketpass/socketpass/clients/go"
	version = "v0.0.1"
	source  = ".."
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the package installs, and its README's example runs")
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "socketpass-package")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := publish(filepath.Join(dir, "proxy")); err != nil {
		return err
	}
	example, err := build(ctx, dir)
	if err != nil {
		return err
	}
	return use(ctx, example)
}

// publish lays the module out as a proxy has it.
func publish(proxy string) error {
	versions := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	info := fmt.Sprintf(`{"Version": %q, "Time": "2026-01-01T00:00:00Z"}`, version)
	for name, content := range map[string]string{"list": version + "\n", version + ".info": info, version + ".mod": string(mod)} {
		if err := os.WriteFile(filepath.Join(versions, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		return err
	}
	return errors.Join(zip.CreateFromDir(file, module.Version{Path: path, Version: version}, source), file.Close())
}

// build makes an empty module, puts the README's example there, and installs what it needs.
func build(ctx context.Context, dir string) (example string, err error) {
	readme, err := os.ReadFile(filepath.Join(source, "README.md"))
	if err != nil {
		return "", err
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	if program == nil {
		return "", errors.New("the README has no example")
	}
	settings, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		return "", err
	}
	downloaded, proxies, _ := strings.Cut(strings.TrimSpace(string(settings)), "\n")
	app := filepath.Join(dir, "app")
	if err := os.Mkdir(app, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(app, "main.go"), program[1], 0o644); err != nil {
		return "", err
	}
	// Other modules come from what was downloaded for this one, as far as they are there.
	env := append(os.Environ(),
		"GOPROXY=file://"+filepath.Join(dir, "proxy")+",file://"+filepath.Join(downloaded, "cache", "download")+","+proxies,
		"GOMODCACHE="+filepath.Join(dir, "modules"),
		"GOSUMDB=off",
		"GOFLAGS=-modcacherw",
		"GOWORK=off",
	)
	for _, args := range [][]string{
		{"mod", "init", "app.example"},
		{"get", path + "@" + version},
		{"mod", "tidy"},
		{"vet", "."},
		{"build", "-o", "app", "."},
	} {
		command := exec.CommandContext(ctx, "go", args...)
		command.Dir, command.Env = app, env
		if output, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, output)
		}
	}
	return filepath.Join(app, "app"), nil
}

// use runs the example, and is its socketpass and its browser.
func use(ctx context.Context, example string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	service := scripted.New()
	defer service.Serve(listener)()

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := free.Addr().String()
	free.Close()
	app := exec.CommandContext(ctx, example)
	app.Env = append(os.Environ(), "SOCKETPASS_ADDR="+listener.Addr().String(), "LISTEN="+address)
	app.Stdout, app.Stderr = os.Stdout, os.Stderr
	if err := app.Start(); err != nil {
		return err
	}
	defer app.Process.Kill()

	opened := make(chan *pb.Socket, 1)
	report := <-service.Reports // The example has begun.
	go report.Obey(func(s *pb.Socket) { opened <- s })
	conn, err := dial(ctx, "ws://"+address+"/chat")
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		return err
	}
	if _, text, err := conn.Read(ctx); err != nil || string(text) != "Ana: hello" {
		return fmt.Errorf("the answer is %q, %w", text, err)
	}
	if socket := <-opened; socket.Namespace != "/chat" {
		return fmt.Errorf("listed is %v", socket)
	}
	if err := app.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != 4001 {
		return fmt.Errorf("at the end the socket is closed with %w", err)
	}
	return app.Wait()
}

// dial waits until the example listens.
func dial(ctx context.Context, url string) (*websocket.Conn, error) {
	for {
		conn, _, err := websocket.Dial(ctx, url, nil)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return conn, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

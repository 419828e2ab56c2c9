package io.socketpass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.socketpass.testing.RecordedConnection;
import io.socketpass.testing.ReportCall;
import io.socketpass.testing.ScriptedSocketPass;
import io.socketpass.v1.Batch;
import io.socketpass.v1.Event;
import io.socketpass.v1.Hello;
import io.socketpass.v1.Reason;
import io.socketpass.v1.RegistryServiceGrpc;
import io.socketpass.v1.ReportRequest;
import io.socketpass.v1.Socket;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ReportTest {
  private static final Handshake HANDSHAKE =
      Handshake.builder().header("Origin", "https://a.example").namespace("/chat").remoteAddress("203.0.113.7").build();
  private static final Map<String, Object> USER = Map.of("logged_in", true, "id", 7L);
  private static final Admission ADMISSION =
      Admission.granted(
          new Decision(true, Reason.REASON_AUTHORIZED, "", false, USER, "s-1", null), Structs.toStruct(USER));

  private ScriptedSocketPass service;
  private SocketPass socketPass;

  @BeforeEach
  void start() throws Exception {
    service = new ScriptedSocketPass();
  }

  @AfterEach
  void stop() {
    // First the service: a stream that waits for its end has one then.
    service.close();
    if (socketPass != null) {
      socketPass.close();
    }
  }

  private ReportCall connect(SocketPassBuilder settings) throws InterruptedException {
    socketPass = settings.address(service.address()).build();
    return service.nextReport();
  }

  private RecordedConnection open(String socketId) {
    RecordedConnection connection = new RecordedConnection();
    socketPass.opened(socketId, HANDSHAKE, ADMISSION, connection);
    return connection;
  }

  @Test
  void theStreamBeginsWithWhoSpeaksAndWhatIsOpen() throws Exception {
    ReportCall call = connect(SocketPass.builder().gatewayId("g-1").labels(Map.of("zone", "eu")).token("secret"));
    open("a");
    open("b");
    socketPass.closed("b");
    Hello hello = call.welcome(60_000);
    assertEquals("g-1", hello.getGatewayId());
    assertEquals(Map.of("zone", "eu"), hello.getLabelsMap());
    assertEquals(36, hello.getIncarnation().length());
    List<Socket> listed = call.listing();
    assertEquals(1, listed.size());
    Socket socket = listed.get(0);
    assertEquals("a", socket.getSocketId());
    assertEquals("/chat", socket.getNamespace());
    assertEquals("s-1", socket.getSessionId());
    assertEquals("203.0.113.7", socket.getRemoteAddress());
    assertEquals("https://a.example", socket.getOrigin());
    assertEquals(USER, Structs.toMap(socket.getUser()));
    assertTrue(Math.abs(socket.getConnectedAt().getSeconds() - Instant.now().getEpochSecond()) < 60);
  }

  @Test
  void anEmptyListingIsCompleteToo() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    Batch first = call.nextBatch();
    assertEquals(1, first.getSequence());
    assertTrue(first.getComplete());
    assertEquals(0, first.getEventsCount());
  }

  @Test
  void whatChangesIsToldAfterwards() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    call.listing();
    open("a");
    assertEquals("a", call.nextEvent().getOpened().getSocketId());
    assertTrue(socketPass.setData("a", Map.of("room", "lobby")));
    assertEquals(Map.of("room", "lobby"), Structs.toMap(call.nextEvent().getOpened().getData()));
    socketPass.closed("a");
    assertEquals("a", call.nextEvent().getClosed().getSocketId());
    assertFalse(socketPass.setData("a", Map.of()));
    socketPass.closed("a");
    open("b");
    assertEquals("b", call.nextEvent().getOpened().getSocketId());
  }

  @Test
  void aNameThatIsGivenAgainIsOneSocket() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    call.listing();
    open("a");
    call.nextEvent();
    open("a");
    nextThat(call, Event::hasOpened);
    socketPass.closed("a");
    nextThat(call, Event::hasClosed);
    open("a");
    nextThat(call, Event::hasOpened);
    socketPass.closed("a");
    open("a");
    nextThat(call, Event::hasOpened);
    socketPass.closed("a");
    nextThat(call, Event::hasClosed);
    assertNull(call.nextOrNull(100));
  }

  private static void nextThat(ReportCall call, Predicate<Event> wanted) throws InterruptedException {
    call.next(request -> request.getBatch().getEventsList().stream().anyMatch(wanted));
  }

  @Test
  void dataHasItsBound() throws Exception {
    connect(SocketPass.builder());
    open("a");
    Map<String, Object> large = Map.of("text", "x".repeat(65_536));
    assertThrows(IllegalArgumentException.class, () -> socketPass.setData("a", large));
  }

  @Test
  void aBurstGoesOutInBatchesOfWhichFewAreUnderWay() throws Exception {
    ReportCall call = connect(SocketPass.builder()).withoutAcks();
    for (int i = 0; i < 10_000; i++) {
      open("s" + i);
    }
    call.welcome(60_000);
    Set<String> listed = new HashSet<>();
    for (int sequence = 1; sequence <= 16; sequence++) {
      Batch batch = call.nextBatch();
      assertEquals(sequence, batch.getSequence());
      assertEquals(500, batch.getEventsCount());
      assertFalse(batch.getComplete());
      batch.getEventsList().forEach(event -> listed.add(event.getOpened().getSocketId()));
    }
    assertNull(call.nextOrNull(300));
    call.ack(4);
    for (int sequence = 17; sequence <= 20; sequence++) {
      Batch batch = call.nextBatch();
      assertEquals(sequence == 20, batch.getComplete());
      batch.getEventsList().forEach(event -> listed.add(event.getOpened().getSocketId()));
    }
    assertEquals(10_000, listed.size());
  }

  @Test
  void batchesAreBoundedInBytesToo() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    for (int i = 0; i < 200; i++) {
      open("s" + i);
      socketPass.setData("s" + i, Map.of("text", "x".repeat(60_000)));
    }
    call.welcome(60_000);
    int listed = 0;
    for (Batch batch = Batch.getDefaultInstance(); !batch.getComplete(); listed += batch.getEventsCount()) {
      batch = call.nextBatch();
      // About 1 MiB: the event that fills it is in it.
      assertTrue(batch.getSerializedSize() < 1024 * 1024 + 64 * 1024, batch.getSerializedSize() + " bytes");
    }
    assertEquals(200, listed);
  }

  @Test
  void whatTheApplicationWritesIntoItsUserIsItsOwn() throws Exception {
    service.authorize = (request, answer) -> ScriptedSocketPass.answer(answer, ScriptedSocketPass.accepted("ada"));
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    Admission admission = socketPass.authorize(HANDSHAKE);
    admission.user().put("loginAt", Instant.now());
    admission.user().remove("name");
    socketPass.opened("a", HANDSHAKE, admission, new RecordedConnection());
    assertEquals(
        Map.of("logged_in", true, "name", "ada"), Structs.toMap(call.nextEvent().getOpened().getUser()));
    open("b");
    assertEquals("b", call.nextEvent().getOpened().getSocketId());
  }

  @Test
  void whatTheServiceWouldNotTakeIsLeftOut() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    Decision decision = new Decision(true, Reason.REASON_AUTHORIZED, "", false, USER, "s".repeat(1025), null);
    Handshake handshake =
        Handshake.builder().namespace("/" + "n".repeat(1024)).header("origin", "o".repeat(1025)).build();
    Admission admission = Admission.granted(decision, Structs.toStruct(Map.of("text", "x".repeat(65_536))));
    socketPass.opened("a", handshake, admission, new RecordedConnection());
    Socket listed = call.nextEvent().getOpened();
    assertEquals("a", listed.getSocketId());
    assertEquals("", listed.getNamespace() + listed.getOrigin() + listed.getSessionId());
    assertEquals(0, listed.getUser().getFieldsCount());
  }

  @Test
  void aListingThatIsNotTakenIsNotRepeatedWithoutAPause() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    long last = 0;
    for (int i = 0; i < 5; i++) {
      call.withoutAcks().welcome(60_000);
      call.listing();
      long before = System.nanoTime();
      call.end(Status.RESOURCE_EXHAUSTED);
      call = service.nextReport();
      last = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - before);
    }
    // Half of 3,200 ms at least.
    assertTrue(last >= 1_590, last + " ms");
  }

  @Test
  void whoIsLetInWithoutADecisionHasAUserOfItsOwn() throws Exception {
    service.authorize = ScriptedSocketPass.failing(Status.INTERNAL);
    connect(SocketPass.builder().onUnavailable(OnUnavailable.ACCEPT));
    socketPass.authorize(HANDSHAKE).user().put("seen", true);
    assertEquals(Map.of("logged_in", false), socketPass.authorize(HANDSHAKE).user());
  }

  @Test
  void aFaultOfItsOwnEndsAStreamAndNotTheReporting() throws Exception {
    Settings settings = SocketPass.builder().address(service.address()).settings();
    ManagedChannel channel = Channels.open(settings);
    OpenSockets sockets = new OpenSockets();
    Reporter reporter =
        new Reporter(
            channel, RegistryServiceGrpc.newStub(channel), sockets, new Commands(sockets, (id, user) -> {}), settings);
    reporter.start();
    try {
      ReportCall first = service.nextReport();
      first.welcome(60_000);
      first.listing();
      sockets.add(new OpenSocket("a", HANDSHAKE, ADMISSION, new RecordedConnection()));
      first.nextEvent();
      // Nobody has a socket without a name: the task that is to tell of it fails.
      reporter.changed(null);
      first.cancelled.get(45, TimeUnit.SECONDS);
      ReportCall second = service.nextReport();
      second.welcome(60_000);
      assertEquals("a", second.listing().get(0).getSocketId());
    } finally {
      channel.shutdownNow();
    }
  }

  @Test
  void aSignOfLifeIsGivenEveryQuarterOfTheLease() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(4_000);
    call.listing();
    for (int i = 0; i < 3; i++) {
      ReportRequest request = call.nextOrNull(1_500);
      assertNotNull(request, "no batch for longer than a quarter of the lease");
      assertEquals(0, request.getBatch().getEventsCount());
    }
  }

  @ParameterizedTest
  @EnumSource(value = Status.Code.class,
      names = {"UNAVAILABLE", "ABORTED", "ALREADY_EXISTS", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"})
  void wheneverItEndsEverythingIsListedAgain(Status.Code code) throws Exception {
    ReportCall first = connect(SocketPass.builder());
    Hello hello = first.welcome(60_000);
    first.listing();
    open("a");
    first.nextEvent();
    long before = System.nanoTime();
    first.end(code.toStatus());
    ReportCall second = service.nextReport();
    long pause = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - before);
    assertTrue(code == Status.Code.UNAVAILABLE || pause >= 90, pause + " ms");
    assertEquals(hello, second.welcome(60_000));
    assertEquals("a", second.listing().get(0).getSocketId());
  }

  @Test
  void pausesGrowUntilAListingIsTaken() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    List<Long> pauses = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      long before = System.nanoTime();
      call.end(Status.INTERNAL);
      call = service.nextReport();
      pauses.add(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - before));
    }
    // Half of 200, 400, 800 and 1,600 ms at least.
    assertTrue(pauses.get(0) >= 90 && pauses.get(3) >= 790, pauses.toString());
    call.welcome(60_000);
    call.listing();
    open("a");
    call.nextEvent();
    // What comes afterwards is said when the listing's ack has been heard.
    assertNull(call.nextOrNull(100));
    long before = System.nanoTime();
    call.end(Status.INTERNAL);
    service.nextReport();
    assertTrue(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - before) < 1_500);
  }

  @Test
  void anOrderlyEndIsAnEndToo() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    call.onCompleted();
    service.nextReport();
  }

  @Test
  void aStreamWhoseBatchesAreNotTakenIsGivenUp() throws Exception {
    ReportCall call = connect(SocketPass.builder()).withoutAcks();
    call.welcome(1_000);
    long before = System.nanoTime();
    call.cancelled.get(45, TimeUnit.SECONDS);
    assertTrue(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - before) >= 400);
    service.nextReport().welcome(60_000);
  }

  @Test
  void aStreamWhoseBatchesAreTakenIsNot() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(3_000);
    for (int i = 0; i < 6; i++) {
      call.nextBatch();
    }
    assertFalse(call.cancelled.isDone());
  }

  @Test
  void socketsAreClosedThatAreWithoutAStreamForTooLong() throws Exception {
    ReportCall call = connect(SocketPass.builder().closeAfterLoss(Duration.ofMillis(500)));
    call.welcome(60_000);
    RecordedConnection a = open("a");
    call.nextEvent();
    assertNull(call.nextOrNull(700));
    assertFalse(a.closed.isDone());
    call.end(Status.UNAVAILABLE);
    long before = System.nanoTime();
    assertEquals(new Close(4000, "service_unavailable"), a.closed.get(45, TimeUnit.SECONDS));
    assertTrue(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - before) >= 400);
    ReportCall next = service.nextReport();
    next.welcome(60_000);
    assertEquals(List.of(), next.listing());
  }

  @Test
  void closingSaysGoodbye() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    call.listing();
    RecordedConnection a = open("a");
    call.nextEvent();
    socketPass.close();
    assertEquals(new Close(4001, "gateway_draining"), a.closed.get());
    call.next(ReportRequest::hasGoodbye);
    assertTrue(call.completed.isDone());
    assertNull(service.reports.poll());
    RecordedConnection late = open("b");
    assertEquals(new Close(4001, "gateway_draining"), late.closed.get());
    assertFalse(socketPass.isOpen("b"));
    socketPass.close();
  }

  @Test
  void closingWithoutAServiceDoesNotWait() {
    service.close();
    socketPass = SocketPass.builder().address(service.address()).build();
    RecordedConnection a = open("a");
    long before = System.nanoTime();
    socketPass.close();
    assertTrue(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - before) < 4);
    assertEquals(4001, a.closed.join().code());
    assertFalse(socketPass.authorize(HANDSHAKE).accepted());
  }

  @Test
  void twoProcessesAreNotOne() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    String first = call.welcome(60_000).getIncarnation();
    socketPass.close();
    String second = connect(SocketPass.builder()).welcome(60_000).getIncarnation();
    assertNotEquals(first, second);
  }

  @Test
  void onesThatAreLetInAgainstTheDecisionHaveNoSession() throws Exception {
    ReportCall call = connect(SocketPass.builder());
    call.welcome(60_000);
    Decision refused =
        new Decision(false, Reason.REASON_NOT_LOGGED_IN, "no", false, Map.of("id", 1L), "s-1", new Close(4501, "x"));
    socketPass.opened("a", HANDSHAKE, Admission.grantedAnyway(refused), new RecordedConnection());
    Event event = call.nextEvent();
    assertEquals("", event.getOpened().getSessionId());
    assertEquals(Map.of("logged_in", false), Structs.toMap(event.getOpened().getUser()));
  }
}

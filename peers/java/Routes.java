package waitbench;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.PreEncodedHttpField;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/** Handles each request in a thread that may block: which kind of thread, Main decides. */
final class Routes extends Handler.Abstract {
  private static final HttpField JSON = new PreEncodedHttpField(HttpHeader.CONTENT_TYPE, "application/json");
  private static final byte[] TAIL = "\"}".getBytes(ISO_8859_1);

  /** A longer body is written in pieces: else 1,000 requests for 16 MiB would take 16 GiB. */
  private static final int PIECE = 64 * 1024;

  private static final byte[] PADDING = new byte[PIECE];

  static {
    Arrays.fill(PADDING, (byte) 'x');
  }

  private final Config config;
  private final Database database;
  private final Stats stats;
  private final AtomicLong lastComplaint = new AtomicLong();
  private volatile boolean closing;

  Routes(Config config, Database database, Stats stats) {
    this.config = config;
    this.database = database;
    this.stats = stats;
  }

  /** From now on, each after its next response. */
  void closeConnections() {
    closing = true;
  }

  @Override
  public boolean handle(Request request, Response response, Callback callback) throws Exception {
    switch (request.getHttpURI().getDecodedPath()) {
      case "/work" -> work(request, response, callback);
      case "/healthz" -> reply(response, callback, 200, "{\"status\":\"ok\"}");
      case "/readyz" -> {
        if (database.isReady()) {
          reply(response, callback, 200, "{\"status\":\"ready\"}");
        } else {
          problem(response, callback, 503, "the database cannot be queried");
        }
      }
      case "/stats" -> reply(response, callback, 200, stats.json());
      case null, default -> problem(response, callback, 404, "there is no such path");
    }
    return true;
  }

  private void work(Request request, Response response, Callback callback) throws Exception {
    Work work;
    try {
      work = Work.parse(Request.extractQueryParameters(request), config.defaults());
    } catch (IllegalArgumentException wrong) {
      problem(response, callback, 400, wrong.getMessage());
      return;
    }
    if (work.t() > 0) {
      Thread.sleep(work.t());
    }
    long sum = 0;
    if (work.n() > 0) {
      try {
        sum = database.run(work);
      } catch (SQLException failed) {
        complain(failed);
        problem(response, callback, 503, "the database did not answer");
        return;
      }
    }
    byte[] head = ("{\"n\":" + work.n() + ",\"sum\":" + sum + ",\"pad\":\"").getBytes(ISO_8859_1);
    int padding = Math.max(0, work.m() - head.length - TAIL.length);
    begin(response, 200, head.length + padding + TAIL.length);
    write(response, callback, head, padding);
  }

  private static void write(Response response, Callback callback, byte[] head, int padding) throws IOException {
    while (padding > PIECE) {
      Content.Sink.write(response, false, ByteBuffer.wrap(head));
      head = PADDING;
      padding -= PADDING.length;
    }
    byte[] last = Arrays.copyOf(head, head.length + padding + TAIL.length);
    Arrays.fill(last, head.length, head.length + padding, (byte) 'x');
    System.arraycopy(TAIL, 0, last, head.length + padding, TAIL.length);
    response.write(true, ByteBuffer.wrap(last), callback);
  }

  private void problem(Response response, Callback callback, int status, String detail) {
    reply(response, callback, status, "{\"title\":\"" + detail + "\",\"status\":" + status + "}");
  }

  private void reply(Response response, Callback callback, int status, String body) {
    byte[] bytes = body.getBytes(UTF_8);
    begin(response, status, bytes.length);
    response.write(true, ByteBuffer.wrap(bytes), callback);
  }

  /** Counts before a byte is written: a client that has its response finds it counted. */
  private void begin(Response response, int status, int length) {
    stats.count(status);
    response.setStatus(status);
    response.getHeaders().put(JSON).put(HttpHeader.CONTENT_LENGTH, length);
    if (closing) {
      response.getHeaders().put(HttpHeader.CONNECTION, "close");
    }
  }

  /** A line a second at most: each request has something to complain of while the database is gone. */
  private void complain(SQLException failed) {
    long now = System.nanoTime() / 1_000_000_000;
    if (lastComplaint.getAndSet(now) != now) {
      System.err.println(config.title() + ": " + ("" + failed.getMessage()).lines().findFirst().orElse(""));
    }
  }
}

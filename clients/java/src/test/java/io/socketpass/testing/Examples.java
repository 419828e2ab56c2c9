package io.socketpass.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;

/** The README's examples that are whole classes. */
public final class Examples {
  private Examples() {}

  /** Compiles the example that declares this class. */
  public static void compile(String name, Path folder) throws IOException {
    Matcher block = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(Path.of("README.md")));
    while (block.find()) {
      if (block.group(1).contains("public class " + name + " ")) {
        Path source = Files.writeString(folder.resolve(name + ".java"), block.group(1));
        int status =
            ToolProvider.getSystemJavaCompiler()
                .run(null, null, null, "-d", folder.toString(), "-cp", System.getProperty("java.class.path"), source.toString());
        if (status != 0) {
          throw new AssertionError("the example does not compile");
        }
        return;
      }
    }
    throw new AssertionError("the README has no class " + name);
  }

  public static Process start(String classpath, String name, String address, int port) throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    ProcessBuilder process = new ProcessBuilder(java, "-cp", classpath, name);
    process.environment().put("SOCKETPASS_ADDR", address);
    process.environment().put("PORT", String.valueOf(port));
    return process.inheritIO().start();
  }
}
